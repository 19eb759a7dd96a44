"""Runs over files: a request in, words to a listener meanwhile, a summary out.

The command line uses this door, as any other front end may.

    summary = restore_files(Request(inputs=("holiday/",), out="restored/"), listener)

Importing this room loads no torch.
"""

from restorekit.work.listener import Listener, Report, Summary
from restorekit.work.request import Cluster, Options, Request
from restorekit.work.service import degrade_file, inspect_files, restore_files

__all__ = [
    "Cluster",
    "Listener",
    "Options",
    "Report",
    "Request",
    "Summary",
    "degrade_file",
    "inspect_files",
    "restore_files",
]
