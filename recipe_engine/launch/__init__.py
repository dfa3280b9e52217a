"""Starting a compiled run: its folder, processes and log. Without torch; commands are argument lists, never a shell."""
