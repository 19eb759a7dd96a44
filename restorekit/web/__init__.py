"""Doors to a restorer by HTTP, for programs and for browsers; both stand on `restorekit.work`."""
