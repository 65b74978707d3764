"""The specification instant by instant, in the plainest form: no queue, no kept factors, no prediction.

Time goes from one instant to the next at which anything might happen. There all decoders and traces fade, then come
the phases of docs/semantics.md, section 3. `wake: exact` is taken for `clocked`, whose spikes it sends where biases do
not learn; `accrual` learns the whole matrix in every stretch of time and keeps decoders at x_hat W and W e_hat; `stdp`
remembers every spike and pairs it with every other. Written from the specification; of the package only descriptions
are used. It is what engines are checked against, off the clock too.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from eventnet.network import Decides, Network, Nonlinearity, Rule, Wake

FAR_NS = 10**18


@dataclass
class Result:
    """What there is to compare: spikes (time_ns, "forward" or "backward", population, neuron, s), losses by time and
    population, weights by projection, and biases and k_beta (forward, backward) by population, at the end."""

    spikes: list[tuple[int, str, int, int, int]] = field(default_factory=list)
    losses: list[tuple[int, int, float]] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    biases: list[np.ndarray] = field(default_factory=list)
    scales: list[tuple[float, float]] = field(default_factory=list)


def h(kind, z):
    if kind is Nonlinearity.RELU:
        return np.maximum(z, 0.0)
    if kind is Nonlinearity.TANH:
        return np.tanh(z)
    if kind is Nonlinearity.SOFTMAX:
        powers = np.exp(z - z.max())
        return powers / powers.sum()
    return z


def h_slope(kind, z):
    if kind is Nonlinearity.RELU:
        return (z > 0.0) * 1.0
    return 1.0 - np.tanh(z) ** 2 if kind is Nonlinearity.TANH else np.ones_like(z)


def topological(n, edges):
    left, order = list(range(n)), []
    while left:
        order.append(next(i for i in left if not any(t == i and s in left for s, t in edges)))
        left.remove(order[-1])
    return order


class Side:
    """The axons of one population in one direction."""

    def __init__(self, code, size, period_ns, phase_ns):
        self.code, self.period_ns, self.phase_ns = code, period_ns, phase_ns
        self.k_beta, self.mu = code.k_beta, code.adaptation.mu_0 if code.adaptation else 0.0
        self.last, self.phi = np.zeros(size), np.zeros(size)
        self.last_ns = np.full(size, phase_ns - period_ns)
        self.postponed_to: set[int] = set()

    def r(self, elapsed_ns):
        return self.code.k_alpha ** (elapsed_ns / self.period_ns)

    def is_tick(self, now_ns):
        return (now_ns - self.phase_ns) % self.period_ns == 0

    def encode(self, x, neurons, now_ns):
        """The spikes of these neurons, [n]."""
        s = np.zeros(self.phi.size)
        for i in neurons:
            a = (x[i] - self.r(now_ns - self.last_ns[i]) * self.last[i]) / self.k_beta
            s[i] = round(self.phi[i] + a)
            self.phi[i] += a - s[i]
            self.last[i], self.last_ns[i] = x[i], now_ns
        return s


class Oracle:
    """One network in the middle of time."""

    def __init__(self, network: Network, weights):
        self.network, self.rule = network, network.learning.rule if network.learning else None
        self.populations, self.projections = network.populations, network.projections
        number = {p.name: i for i, p in enumerate(network.populations)}
        self.n = len(number)
        self.source = [number[p.source] for p in network.projections]
        self.target = [number[p.target] for p in network.projections]
        self.sensor_of = {number[s.population]: s for s in network.sensors}
        self.target_of = {number[t.population]: t for t in network.targets}
        self.into = [[k for k, t in enumerate(self.target) if t == i] for i in range(self.n)]
        self.out_of = [[k for k, s in enumerate(self.source) if s == i] for i in range(self.n)]
        self._find_roles()
        self._find_clocks()
        sizes = [p.size for p in network.populations]
        self.weights = [np.array(w, float) for w in weights]
        self.bias = [np.zeros(p.size) + p.bias for p in network.populations]
        self.held = [np.zeros(size) for size in sizes]
        # a decoder for each projection, all brought to now at every instant
        self.y = [np.zeros(sizes[t]) for t in self.target]
        self.g = [np.zeros(sizes[s]) for s in self.source]
        self.x_hat = [np.zeros(sizes[s]) for s in self.source]
        self.e_hat = [np.zeros(size) for size in sizes]
        self.product = [np.zeros_like(w) for w in self.weights]  # `past`: right after the last touch
        self.past_spikes = [[] for _ in self.weights]  # `stdp`: time, forward and error spikes
        self.enabled = True
        self.result = Result()

    def _find_roles(self):
        """Who carries errors: a target downstream, and something at it or upstream that learns."""
        asked = [self.rule is not None and p.learns for p in self.projections]
        downstream = [i in self.target_of for i in range(self.n)]
        learns = [
            self.rule is not None and i not in self.sensor_of and (p.learns_bias or any(asked[k] for k in self.into[i]))
            for i, p in enumerate(self.populations)
        ]
        for _ in range(self.n):
            for s, t in zip(self.source, self.target, strict=True):
                downstream[s] |= downstream[t] and s not in self.sensor_of
                learns[t] |= learns[s]
        self.carries = [a and b for a, b in zip(downstream, learns, strict=True)]
        ends = list(zip(self.source, self.target, strict=True))
        self.delivers = [self.carries[s] and self.carries[t] for s, t in ends]
        self.learns = [each and self.carries[t] for each, t in zip(asked, self.target, strict=True)]
        at_once = [(s, t) for (s, t), p in zip(ends, self.projections, strict=True) if p.delay_ns == 0]
        back_at_once = [
            (t, s) for k, (s, t) in enumerate(ends) if self.delivers[k] and self.projections[k].delay_back_ns == 0
        ]
        self.order, self.order_back = topological(self.n, at_once), topological(self.n, back_at_once)

    def _find_clocks(self):
        """Periods are a code's own, else the driver's, else the shortest among inputs."""

        def sides(codes, driver_of, inputs):
            found = {i: (each.period_ns, each.phase_ns) for i, each in driver_of.items()}
            for i, code in enumerate(codes):
                if code.period_ns is not None:
                    found[i] = (code.period_ns, found.get(i, (0, 0))[1] % code.period_ns)
            while len(found) < self.n:
                missing = [i for i in range(self.n) if i not in found]
                known = [i for i in missing if inputs[i] and all(j in found for j in inputs[i])]
                known = known or [i for i in missing if any(j in found for j in inputs[i])]
                if not known:
                    found |= dict.fromkeys(missing, (FAR_NS, 0))  # carries no error
                    break
                found[known[0]] = min(found[j] for j in inputs[known[0]] if j in found)
            sizes = [p.size for p in self.populations]
            return [
                Side(code, size, found[i][0], found[i][1] % found[i][0])
                for i, (code, size) in enumerate(zip(codes, sizes, strict=True))
            ]

        sources = [[self.source[k] for k in each] for each in self.into]
        targets = [[self.target[k] for k in each if self.delivers[k]] for each in self.out_of]
        self.forward = sides([p.forward for p in self.populations], self.sensor_of, sources)
        self.backward = sides([p.backward for p in self.populations], self.target_of, targets)

    # -- what there is to read

    def z(self, i):
        return self.bias[i] + sum((self.y[k] for k in self.into[i]), np.zeros(self.bias[i].size))

    def x(self, i):
        return self.held[i] if i in self.sensor_of else h(self.populations[i].nonlinearity, self.z(i))

    def error(self, i):
        g = sum((self.g[k] for k in self.out_of[i] if self.delivers[k]), np.zeros(self.bias[i].size))
        return h_slope(self.populations[i].nonlinearity, self.z(i)) * g

    def r2(self, k):
        backward = self.backward[self.target[k]]
        return self.forward[self.source[k]].r(backward.period_ns) * backward.code.k_alpha

    # -- time

    def clocks(self):
        """(period, phase) of all that happens by itself."""
        found = set()
        for i, p in enumerate(self.populations):
            sides = [(self.forward[i], bool(self.out_of[i]), True)]
            sides.append((self.backward[i], self.carries[i], i not in self.target_of))
            for side, used, ticks in sides:
                if used and ticks and p.wake is not Wake.LAZY:
                    found.add((side.period_ns, side.phase_ns))
                if used and side.code.adaptation:
                    found.add((side.code.adaptation.period_ns or side.period_ns, side.phase_ns))
        if self.rule is Rule.RECONSTRUCTION:
            sides = [self.backward[t] for t in self.target]
            found |= {(side.period_ns, side.phase_ns) for side, on in zip(sides, self.learns, strict=True) if on}
        return found

    def fade(self, elapsed_ns):
        """Everything decays; `accrual` learns meanwhile."""
        for k, (s, t) in enumerate(zip(self.source, self.target, strict=True)):
            r_x, r_e = self.forward[s].r(elapsed_ns), self.backward[t].r(elapsed_ns)
            if self.rule is Rule.ACCRUAL and self.learns[k] and self.enabled:
                area = (1.0 - r_x * r_e) / (1.0 - self.r2(k))
                self.weights[k] -= self.network.learning.eta * area * np.outer(self.x_hat[k], self.e_hat[t])
            self.y[k] *= r_x
            self.x_hat[k] *= r_x
            self.g[k] *= r_e
        for e_hat, side in zip(self.e_hat, self.backward, strict=True):
            e_hat *= side.r(elapsed_ns)

    def run(self, samples, targets, until_ns):
        """`samples` {time_ns: {population: (channels, values)}}, `targets` {time_ns: {population: (class or values,
        learn)}}."""
        clocks, self.pending = self.clocks(), [*samples, *targets]
        self.pending += [phase_ns for _, phase_ns in clocks]
        heapq.heapify(self.pending)
        self.travelling, self.travelling_back = {}, {}
        before_ns = 0
        while self.pending and self.pending[0] < until_ns:
            now_ns = heapq.heappop(self.pending)
            while self.pending and self.pending[0] == now_ns:
                heapq.heappop(self.pending)
            for period_ns, phase_ns in clocks:
                if now_ns >= phase_ns and (now_ns - phase_ns) % period_ns == 0:
                    heapq.heappush(self.pending, now_ns + period_ns)
            self.fade(now_ns - before_ns)
            self.instant(now_ns, samples.get(now_ns, {}), targets.get(now_ns, {}))
            before_ns = now_ns
        self.fade(until_ns - before_ns)
        self.result.weights, self.result.biases = self.weights, self.bias
        self.result.scales = [(a.k_beta, b.k_beta) for a, b in zip(self.forward, self.backward, strict=True)]
        return self.result

    # -- an instant

    def instant(self, now_ns, samples, targets):
        self.arrived, self.sent = {}, {}
        self.reached, self.reached_back = {}, {}
        steps = {}
        for i, (channels, values) in samples.items():
            self.held[i][channels] = values
            self.reached[i] = sorted(channels)
        for k in sorted(self.travelling.get(now_ns, {})):
            self.deliver(k, self.travelling[now_ns][k])
        for i in self.order:
            neurons = self.who(i, self.forward[i], self.reached.get(i), now_ns, i in self.sensor_of)
            if self.out_of[i] and neurons is not None:
                self.send(i, neurons, now_ns)
        gradients = {i: self.compare(i, *targets[i], now_ns) for i in sorted(targets)}
        for k in sorted(self.travelling_back.get(now_ns, {})):
            self.deliver_back(k, self.travelling_back[now_ns][k])
        for i in self.order_back:
            is_output = i in self.target_of
            error = gradients.get(i) if is_output else self.error(i)
            neurons = self.who(i, self.backward[i], self.reached_back.get(i), now_ns, False)
            if self.carries[i] and error is not None and (is_output or neurons is not None):
                steps[i] = self.bias_step(i, error, now_ns)
                self.send_back(i, error, now_ns)
        for k, on in enumerate(self.learns):
            if on:
                self.learn(k, now_ns)
        for k, arrived in self.arrived.items():
            self.x_hat[k] = self.x_hat[k] + arrived
        for i, sent in self.sent.items():
            self.e_hat[i] = self.e_hat[i] + sent
        for k, on in enumerate(self.learns):
            t = self.target[k]
            if on and self.rule is Rule.RECONSTRUCTION and self.enabled and self.backward[t].is_tick(now_ns):
                self.weights[k] = self.weights[k] - self.network.learning.eta * np.outer(self.x_hat[k], self.e_hat[t])
        for i, step in steps.items():
            self.bias[i] = self.bias[i] - step
        self.adapt(now_ns)

    def who(self, i, side, reached, now_ns, at_every_sample):
        """Which neurons decide; None where none does."""
        lazy, everyone = self.populations[i].wake is Wake.LAZY, range(self.populations[i].size)
        ticks = not lazy and side.is_tick(now_ns) and now_ns >= side.phase_ns
        if ticks or now_ns in side.postponed_to:
            return everyone
        if reached is None:
            return None
        if at_every_sample or self.populations[i].decides is Decides.ARRIVAL or side.is_tick(now_ns):
            return reached
        if lazy:
            tick_ns = now_ns + (side.phase_ns - now_ns) % side.period_ns
            side.postponed_to.add(tick_ns)
            heapq.heappush(self.pending, tick_ns)
        return None

    def fired(self, kind, i, side, s, now_ns):
        """Spikes are noted; returns what each is worth."""
        self.result.spikes += [(now_ns, kind, i, int(j), int(s[j])) for j in np.flatnonzero(s)]
        return side.k_beta * s

    def send(self, i, neurons, now_ns):
        side = self.forward[i]
        amounts = self.fired("forward", i, side, side.encode(self.x(i), neurons, now_ns), now_ns)
        for k in self.out_of[i] if amounts.any() else ():
            delay_ns = self.projections[k].delay_ns
            if delay_ns:
                self.travelling.setdefault(now_ns + delay_ns, {})[k] = amounts
                heapq.heappush(self.pending, now_ns + delay_ns)
            else:
                self.deliver(k, amounts)

    def deliver(self, k, amounts):
        self.arrived[k] = amounts
        if self.rule is Rule.ACCRUAL and self.learns[k]:
            self.y[k] = (self.x_hat[k] + amounts) @ self.weights[k]
        else:
            self.y[k] = self.y[k] + amounts @ self.weights[k]
        self.reached[self.target[k]] = range(self.populations[self.target[k]].size)

    def send_back(self, i, error, now_ns):
        side, everyone = self.backward[i], range(self.populations[i].size)
        amounts = self.fired("backward", i, side, side.encode(error, everyone, now_ns), now_ns)
        if not amounts.any():
            return
        self.sent[i] = amounts
        for k in self.into[i]:
            delay_ns = self.projections[k].delay_back_ns
            if not self.delivers[k]:
                continue
            if delay_ns:
                self.travelling_back.setdefault(now_ns + delay_ns, {})[k] = amounts
                heapq.heappush(self.pending, now_ns + delay_ns)
            else:
                self.deliver_back(k, amounts)

    def deliver_back(self, k, amounts):
        at_once = self.projections[k].delay_back_ns == 0
        if self.rule is Rule.ACCRUAL and self.learns[k] and at_once:
            self.g[k] = self.weights[k] @ (self.e_hat[self.target[k]] + amounts)
        else:
            self.g[k] = self.g[k] + self.weights[k] @ amounts
        self.reached_back[self.source[k]] = range(self.populations[self.source[k]].size)

    def compare(self, i, value, learn, now_ns):
        """The loss is noted; returns its gradient, None where nothing is to be learned from it."""
        kind, z = self.populations[i].nonlinearity, self.z(i)
        x, size = h(kind, z), z.size
        wanted = np.eye(size)[value] if isinstance(value, int) else value
        if kind is Nonlinearity.SOFTMAX:
            smoothing = self.target_of[i].label_smoothing
            wanted = (1.0 - smoothing) * wanted + smoothing / size
            loss, gradient = -np.sum(wanted * np.log(x)), x - wanted
        else:
            loss, gradient = 0.5 * np.sum((x - wanted) ** 2), h_slope(kind, z) * (x - wanted)
        self.result.losses.append((now_ns, i, float(loss)))
        self.enabled = learn
        return gradient if learn else None

    def bias_step(self, i, error, now_ns):
        if self.rule is None or not self.populations[i].learns_bias or not self.enabled:
            return np.zeros_like(error)
        learning, side = self.network.learning, self.backward[i]
        eta = learning.eta if learning.eta_bias is None else learning.eta_bias
        return eta * error * np.minimum(now_ns - side.last_ns, side.period_ns) / side.period_ns

    def learn(self, k, now_ns):
        t = self.target[k]
        s_x = self.arrived.get(k, np.zeros(self.x_hat[k].size))
        s_e = self.sent.get(t, np.zeros(self.e_hat[t].size))
        x_hat, e_hat, r2 = self.x_hat[k], self.e_hat[t], self.r2(k)
        change = np.zeros_like(self.weights[k])
        if self.rule is Rule.FUTURE:
            change = np.outer(s_x, e_hat + s_e) + np.outer(x_hat, s_e)
        elif self.rule is Rule.STDP:
            change = np.outer(s_x, s_e)
            for then_ns, s_x_then, s_e_then in self.past_spikes[k]:
                change += self.forward[self.source[k]].r(now_ns - then_ns) * np.outer(s_x_then, s_e)
                change += self.backward[t].r(now_ns - then_ns) * np.outer(s_x, s_e_then)
            if s_x.any() or s_e.any():
                self.past_spikes[k].append((now_ns, s_x, s_e))
        elif self.rule is Rule.PAST:
            touched = (s_x != 0)[:, None] | (s_e != 0)[None, :]
            change = np.where(touched, self.product[k] - np.outer(x_hat, e_hat), 0.0)
            self.product[k] = np.where(touched, np.outer(x_hat + s_x, e_hat + s_e), self.product[k])
        if self.enabled and change.any():
            self.weights[k] = self.weights[k] - self.network.learning.eta * change / (1.0 - r2)

    def adapt(self, now_ns):
        for i in range(self.n):
            sides = [(self.forward[i], bool(self.out_of[i])), (self.backward[i], self.carries[i])]
            for way, (side, used) in enumerate(sides):
                adaptation = side.code.adaptation
                if adaptation is None or not used or now_ns < side.phase_ns:
                    continue
                if (now_ns - side.phase_ns) % (adaptation.period_ns or side.period_ns) == 0:
                    mean = float(np.mean(np.abs(self.x(i) if way == 0 else side.last)))
                    side.mu += adaptation.eta_k * (mean - side.mu)
                    side.k_beta += adaptation.eta_k * (adaptation.k_rel * side.mu - side.k_beta)


def run(network, weights, streams, until_ns):
    """Run a network from its first `weights`, by projection, with streams of samples and targets by name."""
    oracle = Oracle(network, weights)
    samples, targets = {}, {}
    for i, sensor in oracle.sensor_of.items():
        for block in streams[sensor.name].blocks():
            for n, time_ns in enumerate(block.times_ns.tolist()):
                channels, values = list(range(network.populations[i].size)), block.values[n]
                if block.channels is not None:
                    part = slice(block.offsets[n], block.offsets[n + 1])
                    channels, values = block.channels[part].tolist(), block.values[part]
                samples.setdefault(time_ns, {})[i] = channels, values
    for i, target in oracle.target_of.items():
        for block in streams[target.name].blocks():
            rows = zip(block.times_ns.tolist(), list(block.values), block.learn.tolist(), strict=True)
            for time_ns, value, learn in rows:
                targets.setdefault(time_ns, {})[i] = (int(value) if block.values.ndim == 1 else value), learn
    return oracle.run(samples, targets, until_ns)
