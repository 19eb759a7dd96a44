"""Choosing how much of each basis a picture gets: one small contract, and those who keep it.

    picture -> Weigher -> Inspection: a weight by basis, a severity by basis

The encoder's two looks (`blind.Blind`), the user's or the benchmark's word (`given`), rules over either, and
wishes over what is found (`control`). Another way to choose is another class with one method.

Importing this room loads no torch; `blind` does.
"""

from restorekit.weighing.control import Preset, Wish, Wished
from restorekit.weighing.given import Given, OneHot, Overruled
from restorekit.weighing.weigher import Inspection, Weigher

__all__ = ["Given", "Inspection", "OneHot", "Overruled", "Preset", "Weigher", "Wish", "Wished"]
