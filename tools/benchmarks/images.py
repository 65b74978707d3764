"""Images through 784-200-10: still ones, slow streams, and what it takes to trace them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, Settings, compared, in_turns, seconds
from benchmarks.streams import Classes, FullSamples
from eventnet.datasets.fading import fade_labels
from eventnet.datasets.ordering import temporal_order
from eventnet.datasets.streams import ImageStream, LabelStream
from eventnet.engines.base import Parameters, Recorder, State
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.errors import RunError
from eventnet.network import (
    Adaptation,
    Code,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Sensor,
    Target,
    Wake,
)
from eventnet.reports.numbers import count
from eventnet.trace.events import Kind
from eventnet.trace.store import RunWriter
from eventnet.training import fixed_network

IMAGE_NS = 20_000_000
SIZES = (784, 200, 10)
ETA = 0.01
COARSE = 3.0
"""A spike of a pixel, in means of a pixel."""
WARMING = 50  # images that are not timed
LEAST = 4 * WARMING
SLOW_FRAMES = 16
SLOW_IMAGES = 1500
TRACED_IMAGES = 2500
MEMORY_SCRIPT = Path(__file__).with_name("traced_epoch.py")

Order = NDArray[np.int64]


def mnist(settings: Settings) -> list[Row]:
    """MNIST in file order."""
    images, _ = _part(settings)
    return _epochs("MNIST epoch", settings, np.arange(len(images)), targets=(1.0, 2.0))


def temporal(settings: Settings) -> list[Row]:
    """MNIST on a walk from each image to one like it."""
    images, _ = _part(settings)
    return _epochs("Temporal MNIST epoch", settings, temporal_order(images), targets=(0.7, 1.4))


def slow_learning(settings: Settings) -> list[Row]:
    """Each image fades into the next, and every frame is learned from."""
    return _slow_stream("slow stream, learning", settings, settings.learning, targets=(0.2, 0.4))


def slow_forward(settings: Settings) -> list[Row]:
    """The same without learning."""
    return _slow_stream("slow stream, forward", settings, None, targets=(0.1, 0.2))


def trace(settings: Settings) -> list[Row]:
    """Events a second from the kernels to the Parquet files of a run's directory."""
    images, labels = _part(settings, TRACED_IMAGES + WARMING)
    rates: list[float] = []
    details: dict[str, Any] = {}
    for _ in range(settings.repeats):
        with tempfile.TemporaryDirectory() as folder:
            engine, writer = traced(settings, images, labels, Path(folder) / "run")
            with writer:
                engine.run(WARMING * IMAGE_NS)
                before = int(engine.totals.events.sum())

                def work(engine: CompiledEngine = engine, writer: RunWriter = writer) -> None:
                    engine.run(len(images) * IMAGE_NS)
                    writer.close("interrupted", engine.now_ns)

                took = seconds(work)
            events = int(engine.totals.events.sum()) - before
            stored = sum(file.stat().st_size for file in (writer.path / "trace").glob("*.parquet"))
            details = {"events": events, "bytes_per_event": stored / int(engine.totals.events.sum())}
            rates.append(events / took)
    rate = float(np.median(rates))
    note = f"{count(details['events'])} events of {details['bytes_per_event']:.1f} bytes"
    return [Row("trace on", "events/s", rate, target=3e6, bounded="ours", at_least=True, note=note, details=details)]


def memory(settings: Settings) -> list[Row]:
    """The largest resident memory of a process that traces an epoch."""
    settings.mnist  # noqa: B018 - so that what is missing is told here
    command = [sys.executable, str(MEMORY_SCRIPT), settings.rule, str(settings.n_images or 0), str(settings.data or "")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunError(f"the traced epoch failed: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads(done.stdout)
    note = f"{count(found['events'])} events in {found['seconds']:.0f} s"
    return [
        Row("memory of a traced epoch", "MB", found["peak_mb"], target=1000.0, bounded="ours", note=note, details=found)
    ]


# --- what they are made of


def network(learning: Learning | None, k_alpha: float = 0.9, frame_ns: int = IMAGE_NS) -> Network:
    """The network of sim_configs/mnist.yaml; periods of codes are an image's, however many frames lead to it."""
    code = Code(k_alpha, period_ns=IMAGE_NS, adaptation=Adaptation())
    coarse = replace(code, adaptation=Adaptation(k_rel=COARSE))
    return Network(
        (
            Population("pixels", SIZES[0], forward=coarse, wake=Wake.LAZY),
            Population("hidden", SIZES[1], forward=code, backward=code, wake=Wake.LAZY),
            Population("output", SIZES[2], Nonlinearity.SOFTMAX, forward=code, backward=code, wake=Wake.LAZY),
        ),
        (Projection("pixels", "hidden"), Projection("hidden", "output")),
        (Sensor("pixels", "pixels", frame_ns),),
        (Target("digit", "output", frame_ns),),
        learning,
        seed=1,
        dtype="float32",
    )


def traced(
    settings: Settings, images: NDArray[np.uint8], labels: NDArray[np.int64], path: Path
) -> tuple[CompiledEngine, RunWriter]:
    """An engine that learns these images, and the writer that it tells everything."""
    wanted = network(settings.learning)
    untold = CompiledEngine(wanted, _streams(images, labels))
    writer = RunWriter.create(
        path, untold.graph, config_text="", config_name="bench", engine="compiled", groups={"digit": ("all",)}
    )
    recorders: list[Recorder] = [writer]
    return CompiledEngine(wanted, _streams(images, labels), recorders), writer


def _part(settings: Settings, most: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first training images and their labels."""
    n = min(each for each in (60_000, settings.n_images, most) if each is not None)
    return settings.mnist.train_images[:n], settings.mnist.train_labels[:n]


def _streams(
    images: NDArray[np.uint8], labels: NDArray[np.int64], order: Order | None = None, epochs: int = 1
) -> dict[str, ImageStream | LabelStream]:
    return {
        "pixels": ImageStream(images, IMAGE_NS, order, epochs=epochs),
        "digit": LabelStream(labels, IMAGE_NS, order, epochs=epochs),
    }


def _first_epoch(
    learning: Learning, images: NDArray[np.uint8], labels: NDArray[np.int64], order: Order
) -> tuple[State, Parameters]:
    """The state and the parameters after an epoch with k_alpha 0.5, as sim_configs/mnist.yaml has it."""
    engine = CompiledEngine(network(learning, k_alpha=0.5), _streams(images, labels, order, epochs=2))
    engine.run(len(order) * IMAGE_NS)
    return engine.state(), engine.parameters()


def _floats(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images flat, between 0 and 1."""
    return np.ascontiguousarray(images.reshape(len(images), -1) / np.float32(255), np.float32)


def _epochs(name: str, settings: Settings, order: Order, targets: tuple[float, float]) -> list[Row]:
    """The second epoch, the same in every turn, beside an epoch of an ordinary network."""
    images, labels = _part(settings)
    learning = settings.learning
    state, _ = _first_epoch(learning, images, labels, order)
    details: dict[str, Any] = {"images": len(order), "rule": settings.rule}

    def ours() -> float:
        engine = CompiledEngine(network(learning), _streams(images, labels, order, epochs=2))
        engine.load_state(state)
        engine.run((len(order) + WARMING) * IMAGE_NS)
        before = [engine.totals.events.copy(), engine.totals.units.copy()]
        took = seconds(lambda: engine.run(2 * len(order) * IMAGE_NS))
        details.update(_per_image(engine, before, len(order) - WARMING))
        return took * len(order) / (len(order) - WARMING)

    shown, told = _floats(images[order]), labels[order]

    def dense(skip_zeros: bool) -> float:
        return seconds(lambda: ordinary.train(shown, told, ETA, skip_zeros))

    ordinary = DenseNetwork(SIZES, seed=1)
    for skip_zeros in (False, True):
        ordinary.train(shown[:WARMING], told[:WARMING], ETA, skip_zeros)
    took = in_turns({"ours": ours, "dense": lambda: dense(False), "skip zeros": lambda: dense(True)}, settings.repeats)
    return _beside_both(name, "s", took, targets, details)


def _per_image(engine: CompiledEngine, before: list[NDArray[np.int64]], n: int) -> dict[str, float]:
    """What an image cost: events, and the sizes of spikes."""
    events, units = engine.totals.events - before[0], engine.totals.units - before[1]
    return {
        "events_per_image": float(events.sum() / n),
        "forward_spikes_per_image": float(units[Kind.FORWARD].sum() / n),
        "backward_spikes_per_image": float(units[Kind.BACKWARD].sum() / n),
    }


def _beside_both(
    name: str, unit: str, took: dict[str, list[float]], targets: tuple[float, float], details: dict[str, Any]
) -> list[Row]:
    return [
        compared(name, unit, took["ours"], took[form], form, target, note=_note(details), details=details)
        for form, target in zip(("dense", "skip zeros"), targets, strict=True)
    ]


def _note(details: dict[str, Any]) -> str:
    forward, backward = (count(details[f"{each}_spikes_per_image"]) for each in ("forward", "backward"))
    return f"spikes an image: {forward} forward, {backward} backward"


def _slow_stream(name: str, settings: Settings, learning: Learning | None, targets: tuple[float, float]) -> list[Row]:
    """Frames that are ready in memory for both, through a network that has learned images before: for ours the whole
    numbers that a stream of images gives, as where they stand still; for the ordinary network what it computes with.
    """
    images, labels = _part(settings)
    order = np.arange(len(images))
    _, parameters = _first_epoch(settings.learning, images, labels, order)
    shown = images[: WARMING + SLOW_IMAGES]
    frame_ns, first = IMAGE_NS // SLOW_FRAMES, WARMING * SLOW_FRAMES
    blocks = list(ImageStream(shown, frame_ns, frames=SLOW_FRAMES).blocks())
    times_ns, numbers = (np.concatenate([getattr(each, name) for each in blocks]) for name in ("times_ns", "values"))
    frames = np.concatenate([each.numbers(np.float32) for each in blocks])
    frame_labels = fade_labels(labels[: len(shown)], SLOW_FRAMES)
    pixels = FullSamples(times_ns, numbers, blocks[0].divisor)
    streams = {"pixels": pixels, "digit": Classes(times_ns, frame_labels)}
    slow = _from_here(network(learning, frame_ns=frame_ns), parameters)
    n = len(frames) - first
    details: dict[str, Any] = {"frames": n, "frames_per_image": SLOW_FRAMES, "rule": settings.rule}

    def ours() -> float:
        engine = CompiledEngine(slow, streams)
        engine.run(first * frame_ns)
        before = [engine.totals.events.copy(), engine.totals.units.copy()]
        took = seconds(lambda: engine.run(len(frames) * frame_ns))
        details.update(_per_image(engine, before, n // SLOW_FRAMES))
        return took / n * 1e6

    def dense(skip_zeros: bool, start: int = first) -> float:
        if learning is None:
            return seconds(lambda: ordinary.predict(frames[start:], skip_zeros)) / n * 1e6
        return seconds(lambda: ordinary.train(frames[start:], frame_labels[start:], ETA, skip_zeros)) / n * 1e6

    ordinary = DenseNetwork(SIZES, weights=list(parameters.weights.values()), biases=_biases(parameters))
    for skip_zeros in (False, True):
        dense(skip_zeros, start=len(frames) - 1)
    took = in_turns({"ours": ours, "dense": lambda: dense(False), "skip zeros": lambda: dense(True)}, settings.repeats)
    return _beside_both(name, "us/frame", took, targets, details)


def _from_here(wanted: Network, parameters: Parameters) -> Network:
    """A network that begins with what was learned; its scales go on adapting where it learns."""
    fixed = fixed_network(wanted, parameters)
    if wanted.learning is None:
        return fixed
    populations = []
    for before, after in zip(wanted.populations, fixed.populations, strict=True):
        codes = {
            "forward": _adapting(before.forward, after.forward.k_beta),
            "backward": _adapting(before.backward, after.backward.k_beta),
        }
        populations.append(replace(after, **codes))
    return replace(fixed, populations=tuple(populations), learning=wanted.learning)


def _adapting(code: Code, k_beta: float) -> Code:
    if code.adaptation is None:
        return replace(code, k_beta=k_beta)
    return replace(code, k_beta=k_beta, adaptation=replace(code.adaptation, mu_0=k_beta / code.adaptation.k_rel))


def _biases(parameters: Parameters) -> list[NDArray[np.floating]]:
    return [parameters.biases[name] for name in ("hidden", "output")]
