"""One file per command: Settings in, Report out; heavy imports happen inside."""
