// The page's script: unpacks the columns of `packing.py` and draws. It asks nobody for anything.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const END = data.end_ns;
const SINGLE_AT_MOST = 20000;   // more spikes in view than this are shown as counts
const NEAR = 12;                // how many pixels from a spike still mean it
const EM = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;   // who reads larger letters has room for them
const GUTTER = 8, AXIS = 26 * EM, LANE_GAP = 20 * EM, LEAST_LANE = 6, CLOSEST_NS = 100;
const NAMES_WIDE = 96 * EM, NAME_HIGH = 14 * EM;   // of names beside the lanes, where these are many
const TALLEST = 640;            // of the raster then
const COLOURS = 8;              // how many payers of costs have one of their own

// --- numbers and times for people

function scaled(value, units, space) {
  const three = (v) => Math.abs(v) >= 99.95 ? Math.round(v).toLocaleString("en") : v.toFixed(Math.abs(v) >= 9.995 ? 1 : 2);
  for (const [size, name] of units) if (Math.abs(value) >= 0.9995 * size) return three(value / size) + space + name;
  const [size, name] = units[units.length - 1];
  return three(value / size) + space + name;
}
function count(value) {
  if (Math.abs(value) < 9999.5) {
    return Number.isInteger(value) || Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(3));
  }
  return scaled(value, [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]], "");
}
const joules = (pj) => pj === 0 ? "0 J" : scaled(pj * 1e-12, [[1, "J"], [1e-3, "mJ"], [1e-6, "µJ"], [1e-9, "nJ"], [1e-12, "pJ"]], " ");
const many = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;
const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
function unitOf(ns) { return UNITS.find(([size]) => Math.abs(ns) >= size) || UNITS[3]; }
function exactTime(ns) {
  const [size, unit] = unitOf(ns);
  return `${+(ns / size).toPrecision(15)} ${unit}`;
}
function roundTime(ns, step, like = ns) {   // as exact as a step of a view needs, in the unit of another time
  const [size, unit] = unitOf(Math.max(Math.abs(like), step));
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / size))));
  return `${(ns / size).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}
function element(name, text, attributes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function rgb(name) {
  const hex = colour(name);
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

// --- columns, see packing.py

const DIGIT = new Uint8Array(128);   // of the 91 characters that a column is written in, see `as_text`
for (let code = 33, digit = 0; code < 127; code++) if (!'"\\<'.includes(String.fromCharCode(code))) DIGIT[code] = digit++;
function bytesOf({ data: text, bytes: size }) {
  const bytes = new Uint8Array(size);   // what is written beyond it is lost
  for (let k = 0, at = 0, held = 0, bits = 0; k < text.length; k += 2) {
    held = (held << 13) | (DIGIT[text.charCodeAt(k)] * 91 + DIGIT[text.charCodeAt(k + 1)]);
    for (bits += 13; bits >= 8; bits -= 8) bytes[at++] = held >> (bits - 8);
    held &= (1 << bits) - 1;
  }
  return bytes;
}
const TYPES = { Int8: Int8Array, Int16: Int16Array, Int32: Int32Array, Float64: Float64Array };
async function unpack(column) {
  const plain = new Blob([bytesOf(column)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(plain).arrayBuffer());
  const Type = TYPES[column.type], size = Type.BYTES_PER_ELEMENT, n = column.n;
  const ordered = new Uint8Array(planes.length);
  for (let b = 0; b < size; b++) for (let k = 0; k < n; k++) ordered[k * size + b] = planes[b * n + k];
  const values = new Type(ordered.buffer);
  if (column.type !== "Float64") for (let k = 0, mask = 2 ** (8 * size) - 1; k < n; k++) { const u = values[k] & mask; values[k] = (u >>> 1) ^ -(u & 1); }
  if (!column.differences) return values;
  const sums = new Float64Array(n);
  for (let k = 0, sum = 0; k < n; k++) sums[k] = sum += values[k];
  return sums;
}

// --- spikes

const raster = data.raster;
const canvas = $("raster"), hover = $("hover");
const firstRow = [0];
for (const each of data.populations) firstRow.push(firstRow[firstRow.length - 1] + each.size);
const view = { from: 0, to: END };
let why = null, isReading = false;   // the answers, when they are read
const before = [];              // the spikes that were chosen before
let spikes = null, bins = null, lanes = [], chosen = -1, drawn = null;
let gutter = GUTTER, areMany = false;   // of the lanes, see `layOut`

function populationOf(row) {
  let k = 0;
  while (firstRow[k + 1] <= row) k++;
  return k;
}
function firstAtOrAfter(ns) {   // place of the first single spike at this time or later
  let low = 0, high = spikes.time_ns.length;
  while (low < high) { const middle = (low + high) >> 1; if (spikes.time_ns[middle] < ns) low = middle + 1; else high = middle; }
  return low;
}
function placeOf(event) {
  let low = 0, high = spikes.event.length;
  while (low < high) { const middle = (low + high) >> 1; if (spikes.event[middle] < event) low = middle + 1; else high = middle; }
  return spikes.event[low] === event ? low : -1;
}
function layOut() {   // lanes of populations, the larger ones higher but not in proportion; says how high the raster is
  const only = $("population").value;
  const shown = data.populations.map((each, k) => ({ ...each, index: k })).filter((each) => only === "" || each.index === +only);
  canvas.style.height = "";
  areMany = AXIS + (LANE_GAP + LEAST_LANE) * shown.length > canvas.clientHeight;   // then names stand beside the lanes
  if (areMany) canvas.style.height = `${Math.min(TALLEST, Math.max(canvas.clientHeight, AXIS + NAME_HIGH * shown.length))}px`;
  gutter = areMany ? NAMES_WIDE : GUTTER;
  const height = canvas.clientHeight, gap = !areMany ? LANE_GAP : (height - AXIS) / shown.length > 3 ? 1 : 0;
  const room = height - AXIS - gap * shown.length;
  const weights = shown.map((each) => Math.sqrt(each.size) + 1), all = weights.reduce((a, b) => a + b, 0);
  let top = 0;
  lanes = shown.map((each, k) => {
    const lane = { ...each, top: top + gap, height: room * weights[k] / all };
    top += gap + lane.height;
    return lane;
  });
  return height;
}
function fitted(paint, text, room) {   // as much of a text as there is room for
  if (paint.measureText(text).width <= room) return text;
  let n = text.length;
  while (n > 0 && paint.measureText(`${text.slice(0, n)}…`).width > room) n--;
  return `${text.slice(0, n)}…`;
}
function drawNames(paint, width) {
  paint.font = `600 ${12 * EM}px system-ui, 'DejaVu Sans', sans-serif`; paint.fillStyle = colour("--ink");
  if (!areMany) {
    paint.textAlign = "left"; paint.textBaseline = "bottom";
    for (const lane of lanes) {
      const size = ` (${lane.size.toLocaleString("en")})`;
      paint.fillText(fitted(paint, lane.name, inner(width) - paint.measureText(size).width) + size, gutter, lane.top - 3);
    }
    return;
  }
  paint.textAlign = "right"; paint.textBaseline = "middle";
  let free = 0;   // where lanes are lower than letters only some are named
  for (const lane of lanes) {
    const middle = lane.top + lane.height / 2;
    if (middle - NAME_HIGH / 2 < free) continue;
    paint.fillText(fitted(paint, lane.name, gutter - 10), gutter - 6, middle);
    free = middle + NAME_HIGH / 2;
  }
}
const wanted = (isError) => isError ? $("errors").checked : $("forward").checked;
const inner = (width) => width - gutter - GUTTER;
const xOf = (ns, width) => gutter + (ns - view.from) / (view.to - view.from) * inner(width);
const nsOf = (x, width) => view.from + (x - gutter) / inner(width) * (view.to - view.from);
const yOf = (lane, row) => lane.top + (row - firstRow[lane.index] + 0.5) / lane.size * lane.height;

function draw() {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  if (!width) return;
  const height = layOut();
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const paint = canvas.getContext("2d");
  paint.scale(ratio, ratio);
  const isSingle = drawSpikes(paint, width);
  drawNames(paint, width);
  drawTimes(paint, width, height);
  if (why && !why.isComplete) markStretches(paint, width, height);
  if (chosen >= 0) markChosen(paint, width);
  canvas.dataset.startNs = view.from; canvas.dataset.endNs = view.to; canvas.dataset.single = isSingle;
  canvas.dataset.lanes = JSON.stringify(lanes.map(({ name, top, height: h, size }) => ({ name, top, height: h, size })));
  canvas.dataset.gutter = gutter;
}
function drawSpikes(paint, width) {
  paint.fillStyle = colour("--ground");
  for (const lane of lanes) paint.fillRect(areMany ? gutter : 0, lane.top, width, lane.height);
  const step = (view.to - view.from) / 1000, span = `${roundTime(view.from, step, view.to)} to ${roundTime(view.to, step)}`;
  drawn = null;
  const areThere = spikes && view.from >= raster.single_from_ns && spikes.time_ns.length > 0;
  if (!areThere) {
    const n = bins ? drawBins(paint, width) : 0;
    const why = raster.n_single < raster.n_spikes && spikes
      ? ` Single spikes are here from ${exactTime(raster.single_from_ns)} on; more with eventnet report --spikes.` : "";
    say(bins ? `${span}: about ${many(n, "spike")}, counted.${why}` : "reading the spikes");
    return false;
  }
  const low = firstAtOrAfter(view.from), high = firstAtOrAfter(view.to);
  const shows = new Uint8Array(data.populations.length);
  for (const lane of lanes) shows[lane.index] = 1;
  const laneOf = []; for (const lane of lanes) laneOf[lane.index] = lane;
  const rowPopulation = rowsToPopulations();
  let n = 0;
  for (let k = low; k < high; k++) if (wanted(spikes.is_error[k]) && shows[rowPopulation[spikes.row[k]]]) n++;
  if (n > SINGLE_AT_MOST) {
    drawCounts(paint, width, low, high, laneOf, rowPopulation);
    say(`${span}: ${many(n, "spike")}, counted. Zoom in for single ones.`);
    return false;
  }
  const colours = [colour("--forward"), colour("--errors")];
  const mark = n > 4000 ? 1.5 : n > 600 ? 2 : 3;
  for (const isError of [0, 1]) {
    if (!wanted(isError)) continue;
    paint.fillStyle = colours[isError];
    for (let k = low; k < high; k++) {
      if (spikes.is_error[k] !== isError || !shows[rowPopulation[spikes.row[k]]]) continue;
      const lane = laneOf[rowPopulation[spikes.row[k]]], tall = Math.max(2, Math.min(16, 0.8 * lane.height / lane.size));
      paint.fillRect(xOf(spikes.time_ns[k], width) - mark / 2, yOf(lane, spikes.row[k]) - tall / 2, mark, tall);
    }
  }
  drawn = { low, high, shows, laneOf, rowPopulation };
  say(`${span}: ${many(n, "spike")}, each drawn.`);
  return true;
}
let populationsOfRows = null;
function rowsToPopulations() {
  if (!populationsOfRows) {
    populationsOfRows = new Int32Array(firstRow[firstRow.length - 1]);
    for (let p = 0; p < data.populations.length; p++) populationsOfRows.fill(p, firstRow[p], firstRow[p + 1]);
  }
  return populationsOfRows;
}
function laneGrids(columns) {   // per lane, counts of [forward, errors] by [row, column]
  return lanes.map((lane) => {
    const rows = Math.max(1, Math.min(lane.size, Math.round(lane.height)));
    return { lane, rows, columns, counts: [new Float32Array(rows * columns), new Float32Array(rows * columns)] };
  });
}
function drawCounts(paint, width, low, high, laneOf, rowPopulation) {
  const columns = Math.max(1, Math.floor(inner(width) / 2)), grids = laneGrids(columns), gridOf = [];
  for (const grid of grids) gridOf[grid.lane.index] = grid;
  const perNs = columns / (view.to - view.from);
  for (let k = low; k < high; k++) {
    const isError = spikes.is_error[k], grid = gridOf[rowPopulation[spikes.row[k]]];
    if (!grid || !wanted(isError)) continue;
    const row = Math.floor((spikes.row[k] - firstRow[grid.lane.index]) * grid.rows / grid.lane.size);
    grid.counts[isError][row * columns + Math.min(columns - 1, Math.floor((spikes.time_ns[k] - view.from) * perNs))]++;
  }
  for (const grid of grids) paintGrid(paint, grid, gutter, inner(width));
}
function drawBins(paint, width) {   // the bins that come with the page, of all spikes
  const per = END / raster.n_bins, first = Math.floor(view.from / per), last = Math.min(raster.n_bins, Math.ceil(view.to / per));
  let n = 0;
  for (const lane of lanes) {
    const p = lane.index, group = raster.first_group[p], rows = (raster.first_group[p + 1] ?? raster.n_groups) - group;
    const columns = last - first, grid = { lane, rows, columns, counts: [new Float32Array(rows * columns), new Float32Array(rows * columns)] };
    for (const way of [0, 1]) {
      if (!wanted(way)) continue;
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
        const found = bins[(way * raster.n_groups + group + r) * raster.n_bins + first + c];
        grid.counts[way][r * columns + c] = found; n += found;
      }
    }
    const left = xOf(first * per, width);
    paint.save(); paint.beginPath(); paint.rect(gutter, lane.top, inner(width), lane.height); paint.clip();
    paintGrid(paint, grid, left, xOf(last * per, width) - left);
    paint.restore();
  }
  return n;
}
function paintGrid(paint, { lane, rows, columns, counts }, left, width) {
  const image = new ImageData(columns, rows), [forward, errors] = [rgb("--forward"), rgb("--errors")];
  let most = 1;
  for (let k = 0; k < rows * columns; k++) most = Math.max(most, counts[0][k] + counts[1][k]);
  for (let k = 0; k < rows * columns; k++) {
    const all = counts[0][k] + counts[1][k];
    if (!all) continue;
    const share = counts[1][k] / all;
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = forward[c] * (1 - share) + errors[c] * share;
    image.data[4 * k + 3] = 35 + 220 * Math.sqrt(all / most);
  }
  const small = document.createElement("canvas");
  small.width = columns; small.height = rows;
  small.getContext("2d").putImageData(image, 0, 0);
  paint.imageSmoothingEnabled = false;
  paint.drawImage(small, left, lane.top, width, lane.height);
}
function steps(from, to, atMost) {   // round times between two
  const raw = (to - from) / atMost, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw), found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return [found, step];
}
function drawTimes(paint, width, height) {
  const [times, step] = steps(view.from, view.to, Math.max(2, width / (130 * EM)));
  paint.fillStyle = colour("--soft"); paint.strokeStyle = colour("--line"); paint.lineWidth = 1;
  paint.font = `${12 * EM}px system-ui, 'DejaVu Sans', sans-serif`; paint.textBaseline = "alphabetic";
  for (const at of times) {
    const x = Math.round(xOf(at, width)) + 0.5, text = roundTime(at, step, view.to), half = paint.measureText(text).width / 2;
    paint.beginPath(); paint.moveTo(x, height - AXIS + 4); paint.lineTo(x, height - AXIS + 9); paint.stroke();
    paint.textAlign = "center";
    paint.fillText(text, Math.max(half, Math.min(width - half, x)), height - 3);
  }
}
function markStretches(paint, width, height) {   // where spikes have answers, on the axis of time
  paint.fillStyle = colour("--answered");
  for (const [from, to] of why.stretches) {
    const left = Math.max(gutter, xOf(from, width)), right = Math.min(width - GUTTER, xOf(to, width));
    if (right >= left) paint.fillRect(left, height - AXIS + 1, Math.max(2, right - left), 3);
  }
}
function markChosen(paint, width) {   // and the spikes behind it, with lines to those in view
  const at = (k) => {
    const lane = lanes.find((each) => each.index === populationOf(spikes.row[k]));
    return lane ? [xOf(spikes.time_ns[k], width), yOf(lane, spikes.row[k])] : null;
  };
  const here = at(chosen), inside = (place) => place && place[0] >= 0 && place[0] <= width;
  if (!inside(here)) return;
  paint.strokeStyle = colour("--chosen");
  const answer = why ? why.answer(chosen) : null;
  for (const { spike } of answer ? answer.arrivals : []) {
    const there = spike >= 0 ? at(spike) : null;
    if (!inside(there)) continue;
    paint.lineWidth = 1; paint.globalAlpha = 0.55;
    paint.beginPath(); paint.moveTo(...here); paint.lineTo(...there); paint.stroke();
    paint.beginPath(); paint.arc(...there, 5, 0, 2 * Math.PI); paint.stroke();
    paint.globalAlpha = 1;
  }
  paint.lineWidth = 2;
  paint.beginPath(); paint.arc(...here, 8, 0, 2 * Math.PI); paint.stroke();
}
let lastSaid = "";
function say(text) { if (text !== lastSaid) { $("raster-status").textContent = lastSaid = text; } }

let isWaiting = false;
function redraw() {
  if (isWaiting || !raster) return;
  isWaiting = true;
  requestAnimationFrame(() => { isWaiting = false; draw(); });
}
function show(from, to) {
  const span = Math.max(CLOSEST_NS, Math.min(END, to - from));
  view.from = Math.max(0, Math.min(END - span, from));
  view.to = view.from + span;
  hover.hidden = true;
  redraw();
}
function zoom(factor, at) {
  const ns = at ?? (view.from + view.to) / 2, span = view.to - view.from, next = Math.max(CLOSEST_NS, Math.min(END, span / factor));
  show(ns - (ns - view.from) / span * next, ns - (ns - view.from) / span * next + next);
}
const pan = (share) => show(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));

function nearest(x, y) {   // the single spike that is meant by a place on the canvas, -1: none
  if (!drawn) return -1;
  const width = canvas.clientWidth, { low, high, shows, laneOf, rowPopulation } = drawn;
  const first = Math.max(low, firstAtOrAfter(nsOf(x - NEAR, width))), end = Math.min(high, firstAtOrAfter(nsOf(x + NEAR, width)) + 1);
  let best = -1, least = NEAR * NEAR;
  for (let k = first; k < end; k++) {
    const p = rowPopulation[spikes.row[k]];
    if (!shows[p] || !wanted(spikes.is_error[k])) continue;
    const dx = xOf(spikes.time_ns[k], width) - x, dy = yOf(laneOf[p], spikes.row[k]) - y, far = dx * dx + dy * dy;
    if (far <= least) { least = far; best = k; }
  }
  return best;
}
function nameOf(k) {
  const p = populationOf(spikes.row[k]);
  return `${data.populations[p].name} ${spikes.row[k] - firstRow[p]}`;
}
const signed = (s) => (s > 0 ? "+" : "−") + Math.abs(s);
function brief(k) {
  return `event ${spikes.event[k]}: ${nameOf(k)} sent ${spikes.is_error[k] ? "an error of " : ""}${signed(spikes.s[k])} at ${exactTime(spikes.time_ns[k])}`;
}
function choose(k, moves) {
  if (k >= 0 && chosen >= 0 && k !== chosen) before.push(chosen);
  if (k < 0) before.length = 0;
  chosen = k;
  tellChosen();
  if (k >= 0 && moves) {
    const p = populationOf(spikes.row[k]);
    if ($("population").value !== "" && +$("population").value !== p) $("population").value = String(p);
    $(spikes.is_error[k] ? "errors" : "forward").checked = true;
    const span = view.to - view.from, at = spikes.time_ns[k];
    if (at < view.from + 0.02 * span || at > view.to - 0.02 * span) show(at - span / 2, at + span / 2);
  }
  redraw();
}
function goBack() { if (before.length) { const k = before.pop(); chosen = -1; choose(k, true); } }
function linkTo(k, words) {   // to a spike, which is chosen then
  const go = element("button", words, { type: "button", class: "link", title: brief(k) });
  go.addEventListener("click", () => { choose(k, true); canvas.focus({ preventScroll: true }); });
  return go;
}
const short = (k) => `${nameOf(k)} sent ${signed(spikes.s[k])}`;
const PART = data.why ? data.why.parts : 1;
function inSpikes(parts) { return parts === 0 ? "0" : `${parts > 0 ? "+" : "−"}${(Math.abs(parts) / PART).toFixed(4)}`; }
function weightWords(arrival) {   // with as many digits as are known
  if (arrival.weight === null || !Number.isFinite(arrival.weight)) return "";
  const digits = Math.max(0, Math.min(6, Math.floor(-Math.log10(2 * arrival.known))));
  const text = Math.abs(arrival.weight).toFixed(digits);
  return `weight ${+text === 0 ? "about 0" : (arrival.weight < 0 ? "−" : "") + text}, `;
}
function tellChosen() {
  const k = chosen, card = $("spike"), came = $("came");
  came.hidden = k < 0;
  $("chosen").textContent = k < 0 ? "No spike is chosen." : brief(k);
  if (k < 0) { card.replaceChildren(element("p", "No spike is chosen.")); return; }
  const head = element("div", undefined, { class: "head" });
  head.append(element("h3", brief(k)));
  if (before.length) {
    const back = element("button", "back", { type: "button", id: "back-to", "aria-label": `back to event ${spikes.event[before[before.length - 1]]}` });
    back.addEventListener("click", goBack);
    head.append(back);
  }
  const answer = why ? why.answer(k) : null;
  card.replaceChildren(head, ...(answer ? told(k, answer) : untold(k)), details(k), command(k));
  came.replaceChildren(...(why && !isReading ? whatCame(k) : []));
  came.hidden = !came.childElementCount;
}
function told(k, answer) {   // what a spike was made of, as a table whose rows add up
  const table = element("table", undefined, { class: "why", id: "answer" }), body = element("tbody");
  const rows = [], most = () => Math.max(...rows.map(([, share]) => Math.abs(share)), 1);
  const add = (name, share, small, classes) => rows.push([name, share, small, classes]);
  add("φ, what was left", answer.phi, answer.since_ns < 0 ? "it encoded for the first time" : `from ${exactTime(spikes.time_ns[k] - answer.since_ns)}`, "phi");
  for (const each of answer.arrivals) {
    const name = each.spike >= 0 ? linkTo(each.spike, short(each.spike)) : `${data.populations[each.population].name}, before this page's first spike`;
    add(name, each.share, `${weightWords(each)}${each.ago_ns === null ? "" : each.ago_ns ? `${roundTime(each.ago_ns, each.ago_ns / 100)} ago, ` : "just now, "}${each.projection}`, "arrival");
  }
  if (answer.others && answer.others.n) add(many(answer.others.n, "smaller arrival"), answer.others.share, "", "others");
  for (const each of answer.terms) {
    if (!each.share && each.event === null) continue;
    const about = each.event === null ? "" : `event ${each.event}`;
    add(each.name === "held" ? "held since the sample before" : each.name, each.share,
      each.name === "sample" && about ? `a value of ${number(answer.signal)}, ${about}` : about, "term");
  }
  const scale = most();
  for (const [name, share, small, classes] of rows) body.append(answerRow(name, share, small, classes, scale));
  body.append(answerRow("a(t), all but φ", answer.a, "", "sum"), answerRow("φ + a(t)", answer.phi + answer.a, "", "sum"),
    answerRow("sent", answer.s, "", "sent"), answerRow("φ, rounded off and left", answer.after, "", "after"));
  table.append(element("caption", `In spikes; one stands for ${+spikes.scale[k].toPrecision(4)}${spikes.is_error[k] ? " of error" : ""}.`), body);
  const parts = [table];
  if (answer.outcome) parts.push(element("p", outcomeWords(answer.outcome), { id: "outcome" }));
  return parts;
}
function answerRow(name, share, small, classes, scale) {
  const row = element("tr", undefined, { class: classes, "data-parts": share }), head = element("th", undefined, { scope: "row" });
  head.append(name);
  if (small) head.append(element("small", small));
  const cell = element("td", classes === "sent" ? inSpikes(share).replace(".0000", "") : inSpikes(share));
  if (scale) {
    const bar = element("i", undefined, { class: share < 0 ? "bar less" : "bar", "aria-hidden": "true" });
    bar.style.width = `${100 * Math.abs(share) / scale}%`;
    cell.append(bar);
  }
  row.append(head, cell);
  return row;
}
const number = (value) => String(+value.toPrecision(4)).replace("-", "−");
function outcomeWords(outcome) {
  const classes = outcome.label < 0 ? "" : ` Predicted class ${outcome.predicted}, label ${outcome.label}.`;
  return `It answered ${number(outcome.answered)}, wanted ${number(outcome.wanted)}; loss ${number(outcome.loss)} (event ${outcome.event}).${classes}`;
}
function untold(k) {
  if (isReading) return [element("p", "The answers are being read.")];
  if (!why) return [];
  const note = element("p", "This page has no answer for this spike: the command below gives it. ", { id: "untold" }), nearest = why.nearestAnswered(k);
  if (nearest >= 0) note.append(linkTo(nearest, `The nearest that has one is ${brief(nearest)}.`));
  return [note];
}
function details(k) {   // what the trace says of it
  const rows = [];
  const row = (name, content) => { const cell = element("dd"); cell.append(...[content].flat()); rows.push(element("dt", name), cell); };
  row("time", `${exactTime(spikes.time_ns[k])} (${spikes.time_ns[k]} ns)`);
  row("cause", spikes.cause[k] ? `event ${spikes.event[k] - spikes.cause[k]}` : "none: a clock or a sensor");
  const behind = spikes.behind[k] ? placeOf(spikes.event[k] - spikes.behind[k]) : -1;
  if (behind >= 0) row("spike behind it", linkTo(behind, brief(behind)));
  else row("spike behind it", raster.n_single < raster.n_spikes ? "none, or one that is not in this page" : "none");
  row("is the cause of", `${many(spikes.arrivals[k], "later arrival")}, ${many(spikes.decisions[k], "decision")}, ${weightsChanged(k)}`);
  const list = element("dl"); list.append(...rows);
  return list;
}
const weightsChanged = (k) => `${many(spikes.changes[k], "row or column").replace("row or columns", "rows or columns")} of weights`;
function command(k) {
  const words = `${data.command} ${spikes.event[k]}`, line = element("div", undefined, { class: "command" });
  const copy = element("button", "copy", { type: "button" }), code = element("code", words, { id: "why" });
  copy.addEventListener("click", () => copyText(words, code, copy));
  line.append(element("span", "All of why:"), code, copy);
  return line;
}
const CAUSED_SHOWN = 4;
function whatCame(k) {   // whom it reached, who fired on it, what it changed
  const list = element("ul"), items = [element("h3", "What came of it"), list];
  const effects = why.effects(k);
  for (const each of effects) {
    const item = element("li", undefined, { class: "effect", "data-projection": each.projection });
    const reached = `${each.projection}: reached ${each.population} at ${exactTime(each.time_ns)}`;
    if (each.time_ns >= END) item.append(`${each.projection}: would have reached ${each.population} at ${exactTime(each.time_ns)}, after the end.`);
    else if (!each.sends) item.append(`${reached}; only its target reads it.`);
    else if (!each.decision) item.append(`${reached}; no spike with an answer here has it among its arrivals.`);
    else {
      const { fired, caused, time_ns } = each.decision, most = data.why.n_largest;
      item.append(`${reached}; at ${exactTime(time_ns)}, ${many(fired, "neuron")} fired, ${caused.length ? count(caused.length) : "none"} of them with it among the ${most} largest arrivals.`);
      if (caused.length) item.append(causedList(caused));
    }
    list.append(item);
  }
  if (!effects.length) list.append(element("li", "It reaches nobody."));
  list.append(element("li", spikes.changes[k] ? `It changed ${weightsChanged(k)}.` : "It changed no weights at once."));
  return items;
}
function causedList(caused) {
  const list = element("ul", undefined, { class: "caused" });
  for (const { spike, share } of caused.slice(0, CAUSED_SHOWN)) {
    const item = element("li", undefined, { "data-event": spikes.event[spike], "data-parts": share });
    item.append(linkTo(spike, short(spike)), ` owes it ${inSpikes(share)}`);
    list.append(item);
  }
  if (caused.length > CAUSED_SHOWN) list.append(element("li", `and ${count(caused.length - CAUSED_SHOWN)} more`));
  return list;
}
function follow(selector) { const link = document.querySelector(selector); if (link) link.click(); }
async function copyText(text, from, button) {
  try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch {
    const range = document.createRange(); range.selectNodeContents(from);
    const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range);
    button.textContent = document.execCommand && document.execCommand("copy") ? "copied" : "selected: copy it";
  }
}
function neighbour(step) {   // the next single spike that is shown, from the chosen one or from the middle of the view
  if (!spikes || !spikes.time_ns.length) return;
  const only = $("population").value;
  let k = chosen >= 0 ? chosen + step : firstAtOrAfter((view.from + view.to) / 2) - (step < 0 ? 1 : 0);
  for (; k >= 0 && k < spikes.time_ns.length; k += step) {
    if (wanted(spikes.is_error[k]) && (only === "" || populationOf(spikes.row[k]) === +only)) { choose(k, true); return; }
  }
}
function showHover(x, y) {
  const k = nearest(x, y), lane = lanes.find((each) => y >= each.top && y <= each.top + each.height);
  let text = "";
  if (k >= 0) text = brief(k);
  else if (lane && canvas.dataset.single === "false") {
    const neuron = Math.min(lane.size - 1, Math.floor((y - lane.top) / lane.height * lane.size));
    text = `${lane.name}, about neuron ${neuron}, ${roundTime(Math.max(0, nsOf(x, canvas.clientWidth)), (view.to - view.from) / 1000)}`;
  }
  hover.hidden = !text;
  if (!text) return;
  hover.textContent = text;
  const room = canvas.clientWidth - hover.offsetWidth;
  hover.style.left = `${Math.max(0, Math.min(room, x + 14))}px`;
  hover.style.top = `${Math.max(0, y - hover.offsetHeight - 10)}px`;
}

function listen() {
  const fingers = new Map();
  let moved = 0, apart = 0;
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event)[0]); moved = fingers.size > 1 ? NEAR : 0; apart = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!fingers.has(event.pointerId)) { showHover(x, y); return; }
    const before = fingers.get(event.pointerId);
    fingers.set(event.pointerId, x);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()], now = Math.abs(a - b);
      if (apart > 10 && now > 10) zoom(now / apart, nsOf((a + b) / 2, canvas.clientWidth));
      apart = now;
    } else {
      moved += Math.abs(x - before);
      if (moved > 4) { pan((before - x) / inner(canvas.clientWidth)); }
    }
  });
  const lift = (event) => fingers.delete(event.pointerId);
  canvas.addEventListener("pointerup", (event) => {
    const had = fingers.size;
    lift(event);
    if (had !== 1 || moved > 4) return;
    const [x, y] = place(event), k = nearest(x, y);
    if (k >= 0) choose(k, false);
    else if (canvas.dataset.single === "false") zoom(4, nsOf(x, canvas.clientWidth));
  });
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), nsOf(place(event)[0], canvas.clientWidth));
  }, { passive: false });
  const chosenTime = () => chosen >= 0 && spikes.time_ns[chosen] >= view.from && spikes.time_ns[chosen] < view.to ? spikes.time_ns[chosen] : undefined;
  const keys = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": () => zoom(2, chosenTime()), "=": () => zoom(2, chosenTime()),
    "-": () => zoom(0.5, chosenTime()), "0": () => show(0, END), n: () => neighbour(1), p: () => neighbour(-1),
    b: () => follow("#answer .arrival .link"), f: () => follow("#came .caused .link"), u: goBack,
    ArrowUp: () => nextPopulation(-1), ArrowDown: () => nextPopulation(1), Escape: () => choose(-1, false),
    Home: () => show(0, view.to - view.from), End: () => show(END - (view.to - view.from), END),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("back").addEventListener("click", keys.ArrowLeft); $("on").addEventListener("click", keys.ArrowRight);
  $("in").addEventListener("click", keys["+"]); $("out").addEventListener("click", keys["-"]); $("all").addEventListener("click", keys["0"]);
  for (const id of ["population", "forward", "errors"]) $(id).addEventListener("change", redraw);
}
function nextPopulation(step) {
  const select = $("population");
  select.selectedIndex = Math.max(0, Math.min(select.options.length - 1, select.selectedIndex + step));
  redraw();
}
async function startRaster() {
  if (!raster || !raster.n_spikes) {
    for (const each of document.querySelectorAll("#spikes > :not(h2)")) each.hidden = true;
    $("spikes").append(element("p", data.no_spikes));
    return;
  }
  data.populations.forEach((each, k) => $("population").append(element("option", each.name, { value: k })));
  listen();
  if (typeof DecompressionStream === "undefined") { say("This browser is too old to unpack the spikes: use one from 2023 or later."); return; }
  bins = await unpack(raster.counts);
  redraw();
  const columns = Object.entries(raster.columns);
  const found = await Promise.all(columns.map(([, column]) => unpack(column)));
  spikes = Object.fromEntries(columns.map(([name], k) => [name, found[k]]));
  redraw();
  if (data.why) await startWhy();
}
async function startWhy() {
  isReading = true;
  const made = makeWhy(data.why, { populations: data.populations, firstRow, spikes, unpack });
  await made.read();
  why = made; isReading = false;
  canvas.dataset.answers = "read";
  if (!why.isComplete) $("stretches").hidden = false;
  tellChosen();
  redraw();
}

// --- charts over time: bars of costs, lines of answers

const SVG = "http://www.w3.org/2000/svg";
function drawnIn(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}
const series = (k) => `var(--c${k % COLOURS})`;
function frame(box, top, worded) {   // axes of a chart from time 0 to the end and from 0 to `top`
  const width = box.clientWidth, height = box.clientHeight, left = 64 * EM, bottom = 22 * EM, right = 10, above = 8;
  box.replaceChildren();
  const svg = drawnIn(box, "svg", { viewBox: `0 0 ${width} ${height}`, height });
  const x = (ns) => left + ns / END * (width - left - right), y = (value) => height - bottom - value / top * (height - bottom - above);
  for (const value of steps(0, top, 4)[0]) {
    drawnIn(svg, "line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "axis" });
    drawnIn(svg, "text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, worded(value));
  }
  const [times, step] = steps(0, END, Math.max(2, width / (130 * EM)));
  for (const at of times) drawnIn(svg, "text", { x: Math.min(x(at), width - 24 * EM), y: height - 4 * EM, "text-anchor": "middle" }, roundTime(at, step, END));
  return { svg, x, y, width, left, right, height, bottom, above };
}
function legend(list, names) {
  list.replaceChildren(...names.map((name, k) => {
    const item = element("li"), dot = element("span", "", { class: "swatch" });
    dot.style.background = series(k);
    item.append(dot, name);
    return item;
  }));
}
function pointed(box, n, timeOf, told) {   // a cursor over the n places of a chart, by pointer and by arrow keys
  let at = -1;
  const go = (k) => { at = Math.max(0, Math.min(n() - 1, k)); told(at); };
  box.addEventListener("pointermove", (event) => {
    const chart = box.chart, box0 = box.getBoundingClientRect();
    if (!chart || !n()) return;
    go(timeOf((event.clientX - box0.left - chart.left) / (chart.width - chart.left - chart.right) * END));
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !n()) return;
    event.preventDefault();
    go(at < 0 ? 0 : at + step);
  });
}
function moveCursor(chart, ns) {
  if (chart.cursor) chart.cursor.remove();
  chart.cursor = drawnIn(chart.svg, "line", { x1: chart.x(ns), x2: chart.x(ns), y1: chart.above, y2: chart.height - chart.bottom, class: "cursor" });
}

const costs = data.costs;
const sumOf = (values) => values.reduce((a, b) => a + b, 0);
function shownCosts() {
  const measure = costs.measures[$("measure").selectedIndex], way = costs.ways[$("payer").selectedIndex];
  return { worded: measure.unit === "pJ" ? joules : count, ...shownPayers(way, measure.name) };
}
function shownPayers(way, measure) {   // the largest by name, all smaller ones as one
  const values = way.values[measure];
  if (way.names.length <= COLOURS) return { names: way.names, values };
  way.joined ??= {};
  if (!way.joined[measure]) {
    const sums = values.map(sumOf), order = [...sums.keys()].sort((a, b) => sums[b] - sums[a]);
    const own = order.slice(0, COLOURS - 1).sort((a, b) => a - b), rest = order.slice(COLOURS - 1);
    const others = Array.from({ length: costs.n_times }, (_, t) => rest.reduce((sum, k) => sum + values[k][t], 0));
    way.joined[measure] = { names: [...own.map((k) => way.names[k]), `${count(rest.length)} others`], values: [...own.map((k) => values[k]), others] };
  }
  return way.joined[measure];
}
function drawCosts() {
  const { names, worded, values } = shownCosts(), box = $("cost-chart"), per = END / costs.n_times;
  const totals = Array.from({ length: costs.n_times }, (_, t) => values.reduce((sum, each) => sum + each[t], 0));
  const chart = box.chart = frame(box, Math.max(...totals) || 1, worded);
  for (let t = 0; t < costs.n_times; t++) {
    let low = 0;
    values.forEach((each, k) => {
      if (each[t] <= 0) return;
      const left = chart.x(t * per), right = chart.x((t + 1) * per);
      drawnIn(chart.svg, "rect", { x: left, width: Math.max(0.5, right - left - (right - left > 4 ? 1 : 0)), y: chart.y(low + each[t]),
        height: chart.y(low) - chart.y(low + each[t]), style: `fill:${series(k)}` });
      low += each[t];
    });
  }
  const sums = values.map(sumOf);
  legend($("cost-legend"), names.map((name, k) => `${name}: ${worded(sums[k])}`));
  $("cost-status").textContent = `All: ${worded(sumOf(sums))}.`;
}
function startCosts() {
  if (!costs) { $("costs").hidden = true; return; }
  for (const each of costs.measures) $("measure").append(element("option", each.words));
  for (const each of costs.ways) $("payer").append(element("option", each.words));
  for (const id of ["measure", "payer"]) $(id).addEventListener("change", drawCosts);
  const per = END / costs.n_times;
  pointed($("cost-chart"), () => costs.n_times, (ns) => Math.floor(ns / per), (t) => {
    const { names, worded, values } = shownCosts();
    moveCursor($("cost-chart").chart, (t + 0.5) * per);
    const parts = names.map((name, k) => `${name} ${worded(values[k][t])}`);
    $("cost-status").textContent = `${roundTime(t * per, per / 10, END)} to ${roundTime((t + 1) * per, per / 10, END)}: ${parts.join(", ")}.`;
  });
  $("cost-chart").addEventListener("click", (event) => {
    const chart = $("cost-chart").chart, x = event.clientX - $("cost-chart").getBoundingClientRect().left;
    const t = Math.floor((x - chart.left) / (chart.width - chart.left - chart.right) * costs.n_times);
    if (t >= 0 && t < costs.n_times && raster) show(t * per, (t + 1) * per);
  });
  drawCosts();
}

const answers = data.answers;
const areLosses = answers.length > 0 && answers.every((each) => each.is_loss);
const lines = answers.filter((each) => each.is_loss === areLosses);
const middle = (line, k) => (line.begin_ns[k] + line.end_ns[k]) / 2;
const answerWords = (value) => areLosses ? String(+value.toPrecision(4)) : `${value.toFixed(1)} %`;
const lineName = (line) => lines.some((other) => other.target !== line.target) || lines.length === 1 ? `${line.target}, ${line.group}` : line.group;
function drawAnswers() {
  const known = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const box = $("answer-chart"), chart = box.chart = frame(box, areLosses ? Math.max(...known, 1e-12) : 100, (v) => areLosses ? String(+v.toPrecision(3)) : `${v} %`);
  lines.forEach((line, s) => {
    const points = line.values.map((value, k) => [chart.x(middle(line, k)), value]).filter(([, value]) => value !== null).map(([x, value]) => [x, chart.y(value)]);
    drawnIn(chart.svg, "polyline", { points: points.map((each) => each.join()).join(" "), style: `fill:none;stroke:${series(s)};stroke-width:2` });
    for (const [cx, cy] of points) drawnIn(chart.svg, "circle", { cx, cy, r: 2.5, style: `fill:${series(s)}` });
  });
}
function startAnswers() {
  if (!lines.length) { $("answers").hidden = true; return; }
  const places = lines.flatMap((line, s) => line.values.map((value, k) => ({ s, k, ns: middle(line, k), value }))).filter((each) => each.value !== null);
  places.sort((a, b) => a.ns - b.ns);
  const closest = (ns) => places.reduce((best, each, k) => Math.abs(each.ns - ns) < Math.abs(places[best].ns - ns) ? k : best, 0);
  pointed($("answer-chart"), () => places.length, closest, (at) => {
    const { s, k, ns, value } = places[at], line = lines[s], step = END / 1000;
    moveCursor($("answer-chart").chart, ns);
    $("answer-status").textContent = `${lineName(line)}, ${roundTime(line.begin_ns[k], step, END)} to ${roundTime(line.end_ns[k], step, END)}: `
      + `${areLosses ? "mean loss " : ""}${answerWords(value)}${areLosses ? "" : " right"} of ${many(line.samples[k], "sample")}.`;
  });
  legend($("answer-legend"), lines.map(lineName));
  $("answer-hint").textContent = areLosses ? "The mean loss of consecutive samples, before anything was learned from them."
    : "Right answers of consecutive samples, before anything was learned from them.";
  drawAnswers();
}

function startNetwork() {   // where it is larger than its frame: the middle of its first populations
  const svg = [...document.querySelectorAll(".network")].find((each) => each.clientWidth), box = svg && svg.parentElement;
  if (!box) return;
  if (svg.classList.contains("downwards")) box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
  else box.scrollTop = (box.scrollHeight - box.clientHeight) / 2;
}
function drawAll() {
  redraw();
  if (costs) drawCosts();
  if (lines.length) drawAnswers();
}
window.addEventListener("resize", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
startCosts();
startAnswers();
startNetwork();
startRaster().catch((error) => { say(`The spikes cannot be read: ${error.message}`); });
})();
