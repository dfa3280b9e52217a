"""What every test relies on."""

from __future__ import annotations

import signal

# A suite started in the background (nohup, `&`, some CI runners) inherits ignored signals, and so would every process
# that a test starts: tests that send them need the dispositions of a shell's foreground.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
