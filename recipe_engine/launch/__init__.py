"""Starting a compiled run: its folder, its processes, its log. Knows no torch; commands are argument lists, never a shell."""
