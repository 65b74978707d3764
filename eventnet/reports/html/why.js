"use strict";
// Why a spike was sent and what came of it, out of the columns of `reasons.py`; `page.js` shows it.
function makeWhy(why, { populations, firstRow, spikes, unpack }) {
  const n = populations.length, sides = {}, sideOf = new Int8Array(spikes.event.length).fill(-1), slotOf = new Int32Array(spikes.event.length);
  const columnOf = (side, name) => sides[side].columns[name];

  async function read() {   // all columns; side by side, so that a page stays quick
    for (const [side, each] of Object.entries(why.sides)) {
      const names = Object.keys(each.columns), columns = {};
      const found = await Promise.all(names.map((name) => unpack(each.columns[name])));
      names.forEach((name, k) => { columns[name] = found[k]; each.columns[name] = null; });
      sides[side] = { terms: each.terms, n: each.n, columns, hasArrivals: "listed" in columns };
      for (let slot = 0; slot < each.n; slot++) { sideOf[columns.place[slot]] = side; slotOf[columns.place[slot]] = slot; }
      if (columns.fired) indexDecisions(sides[side]);
      undoNeuronByNeuron(sides[side]);
    }
  }
  function undoNeuronByNeuron({ terms, columns, n: slots }) {   // a bias comes as a change, phi without what was left by the spike before
    const { place, since_ns } = columns, changes = columns[`term${terms.indexOf("bias")}`], rows = firstRow[n];
    const lastBias = new Float64Array(rows), left = new Float64Array(rows), left_ns = new Float64Array(rows).fill(-1), phi = new Int32Array(slots);
    const bias = changes && (columns[`term${terms.indexOf("bias")}`] = new Float64Array(slots));
    const parts = Object.keys(columns).filter((name) => /^(term|share)\d|^rest$/.test(name)).map((name) => columns[name]);
    for (let slot = 0; slot < slots; slot++) {
      const k = place[slot], row = spikes.row[k], time_ns = spikes.time_ns[k];
      if (bias) bias[slot] = lastBias[row] += changes[slot];
      phi[slot] = columns.phi[slot] + (since_ns[slot] >= 0 && left_ns[row] === time_ns - since_ns[slot] ? left[row] : 0);
      let all = phi[slot] - spikes.s[k] * why.parts;
      for (const each of parts) all += each[slot];
      left[row] = all; left_ns[row] = time_ns;
    }
    columns.phi = phi;
  }
  function indexDecisions(side) {   // of each decision: its first spike, its time, where its arrivals begin
    const { fired, listed, place } = side.columns, m = fired.length;
    side.firstSlot = new Int32Array(m + 1); side.firstEntry = new Int32Array(m + 1); side.time_ns = new Float64Array(m);
    for (let d = 0; d < m; d++) {
      side.time_ns[d] = spikes.time_ns[place[side.firstSlot[d]]];
      side.firstSlot[d + 1] = side.firstSlot[d] + fired[d];
      side.firstEntry[d + 1] = side.firstEntry[d] + (listed ? listed[d] : 0);
    }
  }
  function lastUpTo(starts, value) {   // the last place whose start is at most value
    let low = 0, high = starts.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= value) low = middle; else high = middle - 1; }
    return low;
  }
  function codeOf(side, time_ns) {
    let found = why.codes[0];
    for (const each of why.codes) if (each.from_ns <= time_ns) found = each;
    return found.sides[side];
  }
  const populationOf = (k) => lastUpTo(firstRow, spikes.row[k]);
  const speaker = (k) => populationOf(k) + (spikes.is_error[k] ? n : 0);
  const delayOf = (projection, isError) => isError ? projection.delay_back_ns : projection.delay_ns;

  function arrivalOf(side, slot, d, entry, share) {
    const { columns } = sides[side], at = sides[side].firstEntry[d] + entry, k = columns.place[slot];
    const projection = why.projections[columns.projection[at]], distance = columns.distance[at];
    const spike = distance > 0 ? columns.place[sides[side].firstSlot[d]] - distance : -1;
    const arrival = { spike, projection: projection.name, population: side >= n ? projection.target : projection.source, share, ago_ns: null, weight: null };
    if (spike < 0) return arrival;
    arrival.ago_ns = spikes.time_ns[k] - spikes.time_ns[spike] - delayOf(projection, side >= n);
    const [alpha, period] = codeOf(speaker(spike), spikes.time_ns[k]), gate = columns.gate ? columns.gate[slot] : 1;
    const factor = gate * alpha ** (arrival.ago_ns / period) * spikes.scale[spike] * spikes.s[spike] / spikes.scale[k];
    arrival.weight = share / why.parts / factor;
    arrival.known = 1 / why.parts / Math.abs(factor);   // how well
    return arrival;
  }
  function answer(k) {   // what a spike was made of, in ten thousandths; null where the page does not know
    const side = sideOf[k];
    if (side < 0) return null;
    const slot = slotOf[k], { terms, columns, hasArrivals } = sides[side], s = spikes.s[k] * why.parts;
    const found = { arrivals: [], others: null, terms: [], phi: columns.phi[slot], since_ns: columns.since_ns[slot], outcome: null, signal: null };
    terms.forEach((name, t) => found.terms.push({ name, share: columns[`term${t}`][slot], event: null }));
    if (columns.signal) found.signal = columns.signal[slot] / why.parts * spikes.scale[k];
    let sum = found.terms.reduce((all, each) => all + each.share, 0);
    if (hasArrivals) {
      const d = lastUpTo(sides[side].firstSlot, slot);
      for (let a = 0; a < why.n_largest; a++) {
        const entry = columns[`entry${a}`][slot];
        if (entry >= 0) found.arrivals.push(arrivalOf(side, slot, d, entry, columns[`share${a}`][slot]));
      }
      const rest = columns.listed[d] - columns.skipped[slot] - found.arrivals.length;
      found.others = { n: rest, share: columns.rest[slot] };
      sum += found.others.share + found.arrivals.reduce((all, each) => all + each.share, 0);
    }
    if (columns.sample) for (const t of [0, 1]) {
      const back = columns[found.terms[t].name][slot];
      if (back) found.terms[t].event = spikes.event[k] - back;
    }
    if (columns.answered) {
      const d = lastUpTo(sides[side].firstSlot, slot);
      found.outcome = { answered: columns.answered[slot], wanted: columns.wanted[slot], loss: columns.loss[d],
        event: spikes.event[columns.place[sides[side].firstSlot[d]]] - columns.loss_event[d], predicted: columns.predicted[d], label: columns.label[d] };
    }
    return Object.assign(found, { a: sum, s, after: found.phi + sum - s });
  }
  function effects(k) {   // one for each projection through which a spike left
    const isError = spikes.is_error[k], p = populationOf(k), found = [];
    why.projections.forEach((each, number) => {
      if ((isError ? each.target : each.source) !== p || (isError && !each.delivers_error)) return;
      const receiver = isError ? each.source : each.target, side = receiver + (isError ? n : 0);
      const time_ns = spikes.time_ns[k] + delayOf(each, isError);
      const effect = { projection: each.name, population: populations[receiver].name, time_ns, sends: why.sends[+isError][receiver], decision: null };
      found.push(effect);
      if (effect.sends && sides[side]) effect.decision = decisionWith(side, k, number, time_ns);
    });
    return found;
  }
  function decisionWith(side, k, projection, time_ns) {   // the next decision after an arrival, if it fired on it
    const { columns, firstSlot, firstEntry, time_ns: times } = sides[side];
    if (!times.length) return null;
    let d = lastUpTo(times, time_ns);
    if (times[d] < time_ns) d++;
    if (d >= times.length) return null;
    const first = columns.place[firstSlot[d]];
    for (let at = firstEntry[d]; at < firstEntry[d + 1]; at++) {
      if (columns.projection[at] !== projection || first - columns.distance[at] !== k || !columns.distance[at]) continue;
      return { time_ns: times[d], fired: firstSlot[d + 1] - firstSlot[d], caused: causedBy(side, d, at - firstEntry[d]) };
    }
    return null;
  }
  function causedBy(side, d, entry) {   // spikes of a decision that have an arrival among their largest, the most first
    const { columns, firstSlot } = sides[side], found = [];
    for (let slot = firstSlot[d]; slot < firstSlot[d + 1]; slot++) for (let a = 0; a < why.n_largest; a++) {
      if (columns[`entry${a}`][slot] === entry) found.push({ spike: columns.place[slot], share: columns[`share${a}`][slot] });
    }
    return found.sort((one, other) => Math.abs(other.share) - Math.abs(one.share));
  }
  function nearestAnswered(k) {
    for (let step = 1; step < sideOf.length; step++) {
      if (k - step >= 0 && sideOf[k - step] >= 0) return k - step;
      if (k + step < sideOf.length && sideOf[k + step] >= 0) return k + step;
    }
    return -1;
  }
  return { read, answer, effects, nearestAnswered, isComplete: why.n_answers === spikes.event.length, stretches: why.stretches };
}
