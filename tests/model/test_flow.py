"""Laws of the path and its sampler."""

import pytest
import torch

from restorekit.model.flow import LookFlow, interpolate, sample, time_steps, walk


def test_the_path_runs_from_degraded_to_clean():
    clean, degraded = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    assert torch.equal(interpolate(clean, degraded, torch.zeros(2)), clean)
    assert torch.allclose(interpolate(clean, degraded, torch.ones(2)), degraded)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_true_prediction_recovers_clean_in_any_number_of_steps(steps):
    clean, degraded = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    assert torch.equal(sample(lambda x_t, t: clean, degraded, steps), clean)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_predicting_the_input_returns_it_bit_for_bit(steps):
    degraded = torch.rand(1, 3, 4, 4)
    assert torch.equal(sample(lambda x_t, t: degraded, degraded, steps), degraded)


def test_less_than_one_step_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        time_steps(0)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_the_sampler_agrees_with_the_euler_scheduler_of_diffusers(steps):
    diffusers = pytest.importorskip("diffusers")
    degraded = torch.rand(1, 3, 8, 8)

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        return 0.7 * x_t + 0.1 * t

    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=list(time_steps(steps)[:-1]))
    x_t = degraded
    for time, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        step = (x_t - predict(x_t, float(sigma))) / float(sigma)  # the velocity
        x_t = scheduler.step(step, time, x_t).prev_sample
    assert torch.allclose(sample(predict, degraded, steps), x_t, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_constant_velocity_is_walked_in_full_by_any_number_of_steps(steps):
    start, velocity = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    times = []

    def constant(z: torch.Tensor, t: float) -> torch.Tensor:
        times.append(t)
        return velocity

    assert torch.allclose(walk(constant, start, steps), start + velocity, atol=1e-6)
    assert times == list(time_steps(steps)[:-1])


def test_no_velocity_stands_still_bit_for_bit():
    start = torch.rand(1, 3, 4, 4)
    assert torch.equal(walk(lambda z, t: torch.zeros_like(z), start, 5), start)


@pytest.mark.parametrize("sigma", [0, -0.1, 1.5, float("nan"), True, "0.05"])
def test_a_look_without_a_noise_that_makes_sense_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma"):
        LookFlow(sigma)
