"""The networks that a run has one after the other, and the same as plain data, so that a file can hold them.

A run whose codes or rates of learning change between epochs has several networks; any other has one.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from eventnet.errors import InputError
from eventnet.network import description
from eventnet.network.description import Network
from eventnet.network.kinds import check_parts

_KINDS = (
    description.Adaptation,
    description.Code,
    description.Decides,
    description.Initial,
    description.Learning,
    description.Network,
    description.Nonlinearity,
    description.Population,
    description.Probe,
    description.Projection,
    description.Rule,
    description.Sensor,
    description.Target,
    description.Wake,
)
_KIND_OF: dict[str, Any] = {kind.__name__: kind for kind in _KINDS}


class Stage(NamedTuple):
    """From the beginning of an epoch (from 1 on) a run has this network. Its scales are set to those given then; None
    leaves them as they have become.
    """

    epoch: int
    network: Network
    k_beta_forward: float | None = None
    k_beta_backward: float | None = None


class Plan(NamedTuple):
    """The networks that a run has one after the other, if it gets so far; in epochs each image is shown for `image_ns`,
    None without epochs. `answers_images`: there is one target, each sample of which is the label of one image.
    """

    stages: tuple[Stage, ...]
    image_ns: int | None = None
    answers_images: bool = False


def as_plain(plan: Plan) -> dict[str, Any]:
    """A plan as dicts, tuples, numbers, text and arrays."""
    stages = tuple({**stage._asdict(), "network": _plain(stage.network)} for stage in plan.stages)
    return {**plan._asdict(), "stages": stages}


def plan_from(plain: Any) -> Plan:
    """What `as_plain` was given. Raises InputError where it is of another version or damaged: what has other fields, or
    is of another kind, or no sequence of epochs. Whether its networks can be simulated, `derive` finds.
    """
    try:
        stages = tuple(Stage(**{**stage, "network": _described(stage["network"])}) for stage in plain["stages"])
        plan = Plan(**{**plain, "stages": stages})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"is not what this version notes of networks: {error!r}", field="plan") from error
    check_parts(plan)
    _check_stages(plan)
    return plan


def _check_stages(plan: Plan) -> None:
    epochs = [stage.epoch for stage in plan.stages]
    if epochs[:1] != [1] or any(later <= sooner for sooner, later in pairwise(epochs)):
        raise InputError("must begin at 1 and rise", field="stages.epoch", value=epochs)
    if plan.image_ns is None and len(epochs) > 1:
        raise InputError("is needed where there are epochs", field="image_ns")
    if plan.image_ns is not None and plan.image_ns < 1:
        raise InputError("must be at least 1 ns", field="image_ns", value=plan.image_ns)
    for k, stage in enumerate(plan.stages):
        for name in ("k_beta_forward", "k_beta_backward"):
            scale = getattr(stage, name)
            if scale is not None and not 0 < scale < np.inf:
                raise InputError("must be positive and finite", field=f"stages[{k}].{name}", value=scale)


def are_equal(first: Plan, second: Plan) -> bool:
    """Whether they are the same, with the arrays in them, which take no part in comparisons of descriptions."""
    return _are_equal(as_plain(first), as_plain(second))


def _are_equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_are_equal(a[name], b[name]) for name in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_are_equal, a, b))
    return bool(np.array_equal(a, b))


def _plain(node: Any) -> Any:
    if isinstance(node, Enum):
        return {"kind": type(node).__name__, "value": node.value}
    if is_dataclass(node) and not isinstance(node, type):
        return {"kind": type(node).__name__, **{each.name: _plain(getattr(node, each.name)) for each in fields(node)}}
    if isinstance(node, tuple | list):
        return tuple(_plain(each) for each in node)
    return node


def _described(node: Any) -> Any:
    if isinstance(node, dict):
        return _KIND_OF[node["kind"]](**{name: _described(each) for name, each in node.items() if name != "kind"})
    if isinstance(node, tuple):
        return tuple(_described(each) for each in node)
    return node
