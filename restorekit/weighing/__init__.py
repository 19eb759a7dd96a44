"""Choosing how much of each basis a picture gets: one small contract, and those who keep it.

    picture -> Weigher -> Inspection: a weight by basis, a severity by basis

The encoder's two looks (`blind`), the user's or the benchmark's word (`given`), and rules over either. Another way
to choose is another class with one method.
"""

from restorekit.weighing.blind import Blind
from restorekit.weighing.given import Given, OneHot, Overruled
from restorekit.weighing.weigher import Inspection, Weigher

__all__ = ["Blind", "Given", "Inspection", "OneHot", "Overruled", "Weigher"]
