"""The shape of a configuration: one model for each section, with the checks that need no other section.

docs/configuration.md describes every field (a test holds it to that). Models are strict (neither text nor
booleans for numbers) and hold plain values: times in nanoseconds, choices as enums. What needs several
sections or a file is settled in `eventnet.config.build`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from eventnet.config.reading import Where, nearest
from eventnet.network import Decides, Initial, Nonlinearity, Rule, Wake
from eventnet.sensors.spec import Policy
from eventnet.units import HZ_PER, LONGEST_NS, NS_PER, duration_ns, format_ns, rate_period_ns

MAX_NEURONS = 10**7
MAX_FRAMES = 10**6
MAX_EPOCHS = 10**6
FIRST = "first"
"""The origin of files that is the first row of them all."""

_QUANTITY_LENGTH = 40
_LONG_EXPONENT = re.compile(r"[eE][+-]?\d{3}")


class Problem(ValueError):
    """What is wrong with a value and what would do; `at` leads from the value to the place to blame."""

    def __init__(self, problem: str, remedy: str, at: Where = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.at = at


# --- values


def _quantity(value: object, read: Callable[[str], int], kind: str, unit: str, units: Iterable[str]) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise Problem(f"a {kind} needs a unit", f'write "{value} {unit}", or another unit out of {", ".join(units)}')
    if not isinstance(value, str):
        raise Problem(f"must be a {kind}", f'write a number and a unit, such as "20 {unit}"')
    if len(value) > _QUANTITY_LENGTH or _LONG_EXPONENT.search(value):
        raise Problem(f"not a {kind} that can be used", f'write a shorter number and a unit, such as "20 {unit}"')
    try:
        time_ns = read(value)
    except ValueError as error:
        raise Problem(f"not a {kind}", f'{error}, such as "20 {unit}"') from None
    if abs(time_ns) > LONGEST_NS:
        raise Problem("beyond 146 years", "stay within 64-bit nanoseconds")
    return time_ns


def _duration(value: object) -> int:
    time_ns = _quantity(value, duration_ns, "time", "ms", NS_PER)
    if time_ns < 0:
        raise Problem("must not be negative", 'write 0 or more, such as "0 ms"')
    return time_ns


def _positive_duration(value: object) -> int:
    time_ns = _duration(value)
    if time_ns < 1:
        raise Problem("must be at least 1 ns", 'write a longer time, such as "20 ms"')
    return time_ns


def _moment(value: object) -> int:
    if value == FIRST:
        raise Problem(
            "the first row is that of all files, which keep their times to each other",
            "write origin: first at the top level, or here the time in this file that is 0 of the run",
        )
    return _quantity(value, duration_ns, "time", "s", NS_PER)


def _origin(value: object) -> int | str:
    if value == FIRST:
        return FIRST
    if isinstance(value, str) and not any(letter.isdigit() for letter in value):
        raise Problem("must be a time, or first", 'write a number and a unit, such as "20 s", or first')
    return _moment(value)


def _rate(value: object) -> int:
    period_ns = _quantity(value, rate_period_ns, "rate", "Hz", HZ_PER)
    if period_ns < 1:
        raise Problem("more than one sample a nanosecond", "write at most 1000 MHz")
    return period_ns


def _one_of(choices: type[StrEnum] | tuple[str, ...]) -> Callable[[object], object]:
    names = tuple(str(choice) for choice in choices)

    def read(value: object) -> object:
        if not isinstance(value, str) or value not in names:
            raise Problem("unknown choice", nearest(value if isinstance(value, str) else "", names))
        return value if isinstance(choices, tuple) else choices(value)

    return read


def _name(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or value != value.strip() or not value.isprintable()):
        raise Problem("not a name", "use printable text with no spaces at its ends")
    return value


def _column(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Problem("must be a column", "write its name, or its number from 0")
    if isinstance(value, int) and value < 0:
        raise Problem("must not be negative", "count columns from 0")
    return value


def _listed(value: object) -> object:
    """One number stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _nonzero(value: float) -> float:
    if value == 0:
        raise Problem("must not be zero", "values are divided by it: write 1 to leave them as they are")
    return value


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "file"
    if isinstance(value, list):
        return "matrix" if value and isinstance(value[0], list) else "list"
    return "switch" if isinstance(value, bool) else "word" if isinstance(value, str) else "number"


def _kind_or(default: str, *kinds: str) -> Discriminator:
    """Which of several shapes a value has; anything unforeseen is judged as the default."""
    return Discriminator(lambda value: kind if (kind := _kind(value)) in kinds else default)


Duration = Annotated[int, BeforeValidator(_duration)]
Moment = Annotated[int, BeforeValidator(_moment)]
Origin = Annotated[int | str, BeforeValidator(_origin)]
Period = Annotated[int, BeforeValidator(_positive_duration)]
Rate = Annotated[int, BeforeValidator(_rate)]
Name = Annotated[str, BeforeValidator(_name)]
Column = Annotated[str | int, BeforeValidator(_column)]
Numbers = Annotated[list[float], BeforeValidator(_listed), Field(min_length=1)]
Scales = Annotated[list[Annotated[float, AfterValidator(_nonzero)]], BeforeValidator(_listed), Field(min_length=1)]
Gain = Annotated[float, Field(ge=0.0, le=1e100)]
Text = Annotated[str, Field(min_length=1)]
TimeUnit = Annotated[str, BeforeValidator(_one_of(tuple(NS_PER)))]
PolicyChoice = Annotated[Policy, BeforeValidator(_one_of(Policy))]


# --- sections


class Section(BaseModel):
    """A mapping with a fixed set of keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ELSEWHERE: ClassVar[dict[str, str]] = {}
    """What would do in place of keys that one may look for here in vain."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        keys = cls.keys()
        if not isinstance(data, dict):
            raise Problem("must be a section of keys and values", f"its keys are {', '.join(keys)}")
        for key in data:
            if key not in keys:
                raise Problem("unknown key", cls.ELSEWHERE.get(key) or nearest(key, keys), at=(key,))
        return data

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys as written in a file."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    def given(self, *keys: str) -> list[str]:
        """Those of the keys (by attribute) that the file gives."""
        return [key for key in keys if key in self.model_fields_set]


def _exactly_one(section: Section, keys: tuple[str, ...], what: str) -> str:
    given = section.given(*keys)
    if not given:
        raise Problem(f"{what} is missing", f"give one of {', '.join(keys)}")
    if len(given) > 1:
        raise Problem(f"{what} is given {len(given)} times", f"keep one of {', '.join(given)}", at=(given[1],))
    return given[0]


def _only_with(section: Section, chosen: str, allowed: dict[str, tuple[str, ...]]) -> None:
    """Refuse keys that belong to another choice than the one made, since they would be ignored."""
    for choice, keys in allowed.items():
        for key in section.given(*keys):
            if key not in allowed[chosen]:
                raise Problem(f"has no meaning with {chosen}", f"take it out, or use {choice}", at=(key,))


def _not_given(section: Section, keys: tuple[str, ...], why: str, remedy: str) -> None:
    for key in section.given(*keys):
        raise Problem(why, remedy, at=(key,))


_LOSS = {
    "loss": "take it out: the nonlinearity decides, cross-entropy for softmax and half the squared error for all others"
}


class GroupSection(Section):
    name: Name
    where: dict[str, Annotated[list[int], BeforeValidator(_listed), Field(min_length=1)]] = {}
    piece: Period | None = None
    passes: int = Field(1, ge=1)
    shuffled: bool = True
    learn: bool = True
    limit: Period | None = None


class PlaylistSection(Section):
    file: Text
    row_period: Period | None = None
    rate: Rate | None = None
    values: Text = "X"
    offsets: Text = "offsets"
    factor: float = 1.0
    groups: list[GroupSection] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> PlaylistSection:
        _exactly_one(self, ("row_period", "rate"), "the time from row to row")
        names: set[str] = set()
        for k, group in enumerate(self.groups):
            if group.name in names:
                raise Problem("two groups have this name", "give each a name of its own", at=("groups", k, "name"))
            names.add(group.name)
        return self

    @property
    def row_period_ns(self) -> int:
        """The time from one row to the next."""
        period = self.row_period or self.rate
        assert period is not None
        return period


class ImagesSection(Section):
    dataset: Annotated[str, BeforeValidator(_one_of(("mnist", "mnist-subset")))]
    folder: Text | None = None
    order: Annotated[str, BeforeValidator(_one_of(("file", "temporal")))] = "file"
    metric: Annotated[str, BeforeValidator(_one_of(("l1", "l2")))] = "l1"
    window: int = Field(1000, ge=1)
    frames: int = Field(1, ge=1, le=MAX_FRAMES)
    limit: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> ImagesSection:
        if self.order == "file":
            _not_given(self, ("metric", "window"), "only a temporal order compares images", "add order: temporal")
        if self.dataset != "mnist":
            _not_given(self, ("folder",), "this data set comes with the package", "take it out")
        return self


class GeneratorSection(Section):
    KEYS: ClassVar[dict[str, tuple[str, ...]]] = {
        "constant": ("level",),
        "sine": ("level", "amplitude", "wave_period"),
        "random_walk": ("level", "amplitude", "step", "signal"),
    }

    kind: Annotated[str, BeforeValidator(_one_of(("constant", "sine", "random_walk")))]
    n_channels: int = Field(1, ge=1, le=MAX_NEURONS)
    level: float = 0.0
    amplitude: float = 1.0
    wave_period: Period = 10**9
    step: Period = 10**8
    signal: Name | None = None
    duration: Period | None = None

    @model_validator(mode="after")
    def _check(self) -> GeneratorSection:
        _only_with(self, self.kind, self.KEYS)
        return self


class PoliciesSection(Section):
    duplicate: PolicyChoice = Policy.ERROR
    late: PolicyChoice = Policy.ERROR
    gap: PolicyChoice = Policy.DROP
    nonfinite: PolicyChoice = Policy.ERROR
    max_gap: Period | None = None

    @model_validator(mode="after")
    def _check(self) -> PoliciesSection:
        if self.max_gap is None:
            _not_given(self, ("gap",), "no gap is too long without max_gap", "add max_gap")
        return self


_TABLE_KEYS = ("time", "time_unit", "origin", "columns", "values")


class StreamSection(Section):
    """A source of samples and how it is looked at: what a sensor and a signal target share."""

    SOURCES: ClassVar[dict[str, tuple[str, ...]]] = {
        "playlist": ("columns",),
        "file": (*_TABLE_KEYS, "partial", "nominal_period"),
        "generator": (),
    }

    playlist: Text | None = None
    file: Text | None = None
    generator: GeneratorSection | None = None
    time: Text | None = None
    time_unit: TimeUnit = "s"
    origin: Moment | None = None
    columns: list[Column] | None = Field(None, min_length=1)
    values: Text | None = None
    partial: bool = False
    rate: Rate | None = None
    period: Period | None = None
    nominal_period: Period | None = None
    phase: Duration = 0
    jitter: Duration = 0
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    send_on_delta: float | None = Field(None, gt=0.0)
    start: Duration | None = None
    end: Period | None = None
    center: Numbers = [0.0]
    scale: Scales = [1.0]
    policies: PoliciesSection = PoliciesSection()

    def check_stream(self) -> None:
        """Exactly one source, and only what applies to it."""
        chosen = _exactly_one(self, tuple(self.SOURCES), "the source of the samples")
        _only_with(self, chosen, self.SOURCES)
        if chosen == "playlist":
            _check_playlist_columns(self.columns)
        clocks = self.given("rate", "period", "nominal_period")
        if chosen == "file":
            _check_table(self)
            _exactly_one(self, ("rate", "period", "nominal_period"), "the sample period")
        elif len(clocks) > 1 or chosen == "generator":
            _exactly_one(self, ("rate", "period"), "the sample period")
        _check_cut(self)

    @property
    def sampled_period_ns(self) -> int | None:
        """The period at which the source is looked at; None at its own times."""
        return self.rate or self.period


class SensorSection(StreamSection):
    SOURCES: ClassVar[dict[str, tuple[str, ...]]] = {**StreamSection.SOURCES, "images": ()}

    population: Name | None = None
    images: Text | None = None

    @model_validator(mode="after")
    def _check(self) -> SensorSection:
        self.check_stream()
        if self.images is not None:
            _exactly_one(self, ("rate", "period"), "the period of the images")
            plain = ("jitter", "dropout", "send_on_delta", "start", "end", "center", "scale", "policies")
            _not_given(self, plain, "images are shown as they are, one a period", "take it out")
        return self


class SignalSection(StreamSection):
    ahead: Duration = 0

    @model_validator(mode="after")
    def _check(self) -> SignalSection:
        self.check_stream()
        return self


class TargetSection(Section):
    ELSEWHERE: ClassVar[dict[str, str]] = _LOSS
    SOURCES: ClassVar[dict[str, tuple[str, ...]]] = {
        "playlist": ("label", "settle", "rate", "period", "phase", "policies"),
        "file": (*_TABLE_KEYS, "rate", "period", "nominal_period", "phase", "start", "end", "policies"),
        "images": ("rate", "period", "phase"),
        "signal": (),
    }

    population: Name | None = None
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    playlist: Text | None = None
    images: Text | None = None
    file: Text | None = None
    signal: SignalSection | None = None
    label: Text | None = None
    settle: Duration = 0
    time: Text | None = None
    time_unit: TimeUnit = "s"
    origin: Moment | None = None
    columns: list[Column] | None = Field(None, min_length=1)
    values: Text | None = None
    rate: Rate | None = None
    period: Period | None = None
    nominal_period: Period | None = None
    phase: Duration = 0
    start: Duration | None = None
    end: Period | None = None
    policies: PoliciesSection = PoliciesSection()

    @model_validator(mode="after")
    def _check(self) -> TargetSection:
        chosen = _exactly_one(self, tuple(self.SOURCES), "the source of the target")
        if chosen == "signal":
            _not_given(
                self,
                ("rate", "period", "phase", "start", "end", "policies"),
                "a signal target is sampled by its signal",
                "put it inside signal",
            )
        _only_with(self, chosen, self.SOURCES)
        if chosen == "playlist" and self.label is None:
            raise Problem("the label is missing", "name the field of the recordings to learn", at=("label",))
        if chosen in ("playlist", "images"):
            _exactly_one(self, ("rate", "period"), "the period of the labels")
        if chosen == "file":
            _check_table(self)
            _exactly_one(self, ("rate", "period", "nominal_period"), "the sample period")
        _check_cut(self)
        return self


def _check_table(section: StreamSection | TargetSection) -> None:
    if section.time is None:
        raise Problem("the time column is missing", "name the column or array that holds the times", at=("time",))
    if section.values is None and section.columns is None:
        raise Problem("the columns are missing", "name the columns that hold the values", at=("columns",))


def _check_cut(section: StreamSection | TargetSection) -> None:
    if section.start is not None and section.end is not None and section.start >= section.end:
        start = format_ns(section.start)
        raise Problem("must come after start", f"start is {start}: make end the later of the two", at=("end",))


def _check_playlist_columns(columns: list[str | int] | None) -> None:
    if columns is None:
        raise Problem("the columns are missing", "give the numbers of the columns, from 0", at=("columns",))
    for k, column in enumerate(columns):
        if isinstance(column, str):
            raise Problem("a playlist's columns have numbers, not names", "count columns from 0", at=("columns", k))


class AdaptSection(Section):
    eta_k: float = 0.001
    k_rel: float = 0.91
    mu_0: float = 1.0
    period: Period | None = None


class CodeSection(Section):
    k_alpha: float | None = None
    k_beta: float | None = None
    k_p: Gain | None = None
    k_d: Gain | None = None
    period: Period | None = None
    adapt: (
        Annotated[
            Annotated[bool, Tag("switch")] | Annotated[AdaptSection, Tag("file")],
            _kind_or("switch", "file"),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _check(self) -> CodeSection:
        gains = self.given("k_p", "k_d")
        if not gains:
            return self
        _not_given(self, ("k_alpha", "k_beta"), "the code is given twice", "keep k_p and k_d, or k_alpha and k_beta")
        if self.k_p is None or self.k_d is None:
            missing = "k_d" if self.k_d is None else "k_p"
            raise Problem(f"{missing} is missing", "k_p and k_d come together", at=(gains[0],))
        if not self.k_p + self.k_d > 0:
            raise Problem("k_p and k_d must not both be zero", "give one of them a positive value", at=("k_p",))
        return self


class CodesSection(Section):
    forward: CodeSection = CodeSection()
    backward: CodeSection = CodeSection()


class ArrayFileSection(Section):
    file: Text
    array: Text


class PopulationSection(Section):
    ELSEWHERE: ClassVar[dict[str, str]] = _LOSS

    size: int | None = Field(None, le=MAX_NEURONS)
    nonlinearity: Annotated[Nonlinearity, BeforeValidator(_one_of(Nonlinearity))] | None = None
    bias: Annotated[
        Annotated[float, Tag("number")]
        | Annotated[list[float], Tag("list")]
        | Annotated[ArrayFileSection, Tag("file")],
        _kind_or("number", "list", "file"),
    ] = 0.0
    learns_bias: bool = True
    wake: Annotated[Wake, BeforeValidator(_one_of(Wake))] | None = None
    decides: Annotated[Decides, BeforeValidator(_one_of(Decides))] | None = None
    forward: CodeSection = CodeSection()
    backward: CodeSection = CodeSection()


class ProjectionSection(Section):
    source: Name = Field(alias="from")
    target: Name = Field(alias="to")
    name: Name | None = None
    delay: Duration = 0
    delays: list[Duration] | None = Field(None, min_length=1)
    delay_back: Duration = 0
    weights: Annotated[
        Annotated[Initial, BeforeValidator(_one_of(Initial)), Tag("word")]
        | Annotated[list[Annotated[list[float], Field(min_length=1)]], Tag("matrix")]
        | Annotated[ArrayFileSection, Tag("file")],
        _kind_or("word", "matrix", "file"),
    ] = Initial.XAVIER
    gain: float = 1.0
    learns: bool = True

    @model_validator(mode="after")
    def _check(self) -> ProjectionSection:
        if self.delays is not None:
            _not_given(self, ("delay",), "delay and delays are both given", "keep one of them")
            for k, delay in enumerate(self.delays):
                if delay in self.delays[:k]:
                    raise Problem("this delay is there twice", "list each delay once", at=("delays", k))
        if not isinstance(self.weights, Initial):
            _not_given(self, ("gain",), "gain scales weights that are drawn, not given ones", "take it out")
        if isinstance(self.weights, list):
            for k, row in enumerate(self.weights):
                if len(row) != len(self.weights[0]):
                    raise Problem(
                        "rows of different lengths",
                        f"give {len(self.weights[0])} numbers in each",
                        at=("weights", k),
                    )
        return self


class LearningSection(Section):
    rule: Annotated[Rule, BeforeValidator(_one_of(Rule))] = Rule.FUTURE
    eta: float = 0.001
    eta_bias: float | None = None


class ProbeSection(Section):
    name: Name | None = None
    population: Name
    variable: Text
    rate: Rate | None = None
    period: Period | None = None
    phase: Duration = 0

    @model_validator(mode="after")
    def _check(self) -> ProbeSection:
        _exactly_one(self, ("rate", "period"), "the period")
        return self


class ChangedCodeSection(Section):
    k_alpha: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    k_beta: Annotated[float, Field(gt=0.0)] | None = None


class ChangeSection(Section):
    epoch: int = Field(ge=1)
    forward: ChangedCodeSection = ChangedCodeSection()
    backward: ChangedCodeSection = ChangedCodeSection()
    eta: Annotated[float, Field(gt=0.0)] | None = None
    eta_bias: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _check(self) -> ChangeSection:
        rates = self.eta is not None or self.eta_bias is not None
        if not (rates or self.forward.model_fields_set or self.backward.model_fields_set):
            raise Problem("nothing changes", "give eta, eta_bias, or k_alpha or k_beta forward or backward")
        return self


class TrainingSection(Section):
    epochs: int = Field(1, ge=1, le=MAX_EPOCHS)
    evaluate: bool = True
    schedule: list[ChangeSection] = []

    @model_validator(mode="after")
    def _check(self) -> TrainingSection:
        last = 0
        for k, change in enumerate(self.schedule):
            if change.epoch <= last:
                raise Problem(
                    "must come after the change before it", "list changes by epoch", at=("schedule", k, "epoch")
                )
            if change.epoch > self.epochs:
                raise Problem(
                    f"there are {self.epochs} epochs", "take it out, or add epochs", at=("schedule", k, "epoch")
                )
            last = change.epoch
        return self


class Document(Section):
    """A whole configuration."""

    name: Name | None = None
    description: str | None = None
    seed: int = Field(0, ge=0)
    dtype: str = "float64"
    engine: Annotated[str, BeforeValidator(_one_of(("actor", "compiled", "dense")))] | None = None
    duration: Period | None = None
    origin: Origin | None = None
    playlists: dict[Name, PlaylistSection] = {}
    images: dict[Name, ImagesSection] = {}
    sensors: dict[Name, SensorSection] = {}
    targets: dict[Name, TargetSection] = {}
    populations: dict[Name, PopulationSection]
    codes: CodesSection = CodesSection()
    wake: Annotated[Wake, BeforeValidator(_one_of(Wake))] = Wake.EXACT
    decides: Annotated[Decides, BeforeValidator(_one_of(Decides))] = Decides.TICK
    projections: list[ProjectionSection] = []
    learning: LearningSection | None = None
    training: TrainingSection | None = None
    probes: list[ProbeSection] = []
