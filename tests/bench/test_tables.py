"""Laws of the report's tables."""

from restorekit.bench.protocol import Goal, Metric, Protocol
from restorekit.bench.records import Result, Score
from restorekit.bench.tables import by_name, goal_row, same_weights

PROTOCOL = Protocol("p", "P", "Set5", (Metric("psnr"),))
GOAL = Goal(("p",), 1.0, "restorekit", "restorekit-all")


def result(method, value, **weights):
    scores = (Score("a", {PROTOCOL.metrics[0].key: value}, 1.0, 1.0),)
    return Result("p", method, "", scores, {"weights": weights})


def goal(*results):
    return goal_row(GOAL, {"p": PROTOCOL}, by_name(results)).cells


def test_a_goal_is_reached_or_not_by_results_of_the_same_weights():
    ours, other = result("restorekit", 30.0, noise="1", encoder="2"), result("restorekit-all", 28.5, noise="1")
    assert goal(ours, other)[2:] == ("+1.50", "yes")
    assert goal(ours, result("restorekit-all", 29.5, noise="1"))[2:] == ("+0.50", "no")
    assert goal(ours)[2:] == ("-", "not run")


def test_results_of_different_weights_decide_no_goal():
    ours, other = result("restorekit", 30.0, noise="1"), result("restorekit-all", 28.5, noise="3")
    assert "different weights" in goal(ours, other)[3]


def test_a_file_that_only_one_result_read_says_nothing_of_the_weights():
    known = by_name([result("restorekit", 30.0, noise="1", encoder="2"), result("input", 20.0)])
    assert same_weights(known, list(known))
