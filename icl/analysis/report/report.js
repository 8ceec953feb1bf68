// Draws the figures of every sweep on the page, and redraws them as the controls are moved.
"use strict";

const DASHES = ["solid", "dash", "dashdot", "dot"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x"];
// A finger on a figure scrolls the page.
const IS_TOUCHED = window.matchMedia("(pointer: coarse)").matches;
const CONFIG = {displaylogo: false, responsive: true, displayModeBar: IS_TOUCHED ? false : "hover",
  modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
  toImageButtonOptions: {format: "svg"}};
const SHARES = ["accuracy", "accuracy_in_context", "answers_in_context"];

function setUp(section) {
  const data = JSON.parse(section.querySelector("script.data").textContent);
  const metric = section.querySelector('[data-control="metric"]').value;
  const state = {step: data.steps.length - 1, metric, lines: 0, pair: 0,
    shown: data.conditions.map(condition => condition.isMain)};
  const plots = {curves: [], effects: [], phases: []};
  const draw = kinds => {
    for (const kind of kinds) {
      plots[kind].forEach((plot, i) => {
        const {traces, layout} = FIGURES[kind](data, state, i);
        Plotly.react(plot, traces, layout, CONFIG);
      });
    }
  };
  const layOut = () => {
    const count = shown(data, state).length;
    place(section, plots, "curves", count);
    place(section, plots, "effects", data.knobs.length);
    place(section, plots, "phases", data.pairs.length ? count : 0);
    draw(Object.keys(plots));
  };
  connect(section, data, state, layOut, () => draw(["effects", "phases"]), () => {
    plots.curves.forEach(plot => Plotly.relayout(plot, {shapes: [marker(data, state)]}));
  });
  layOut();
}

function place(section, plots, kind, count) {
  const box = section.querySelector(`.plots.${kind}`);
  while (plots[kind].length > count) {
    const plot = plots[kind].pop();
    Plotly.purge(plot);
    plot.remove();
  }
  while (plots[kind].length < count) {
    plots[kind].push(box.appendChild(document.createElement("div")));
  }
}

function connect(section, data, state, layOut, redraw, mark) {
  const control = name => section.querySelector(`[data-control="${name}"]`);
  section.querySelectorAll("[data-condition]").forEach((box, i) => {
    box.addEventListener("change", () => {
      state.shown[i] = box.checked;
      if (!state.shown.some(Boolean)) state.shown[i] = box.checked = true;
      layOut();
    });
  });
  const choose = (name, read) => {
    const select = control(name);
    if (select) select.addEventListener("change", () => { state[name] = read(select.value); layOut(); });
  };
  choose("metric", String);
  choose("lines", Number);
  choose("pair", Number);
  const slider = control("step");
  let waiting = false;
  slider.addEventListener("input", () => {
    state.step = Number(slider.value);
    section.querySelector("output").textContent = data.steps[state.step].toLocaleString("en");
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; redraw(); mark(); });
  });
}

// Indices of the conditions chosen.
function shown(data, state) {
  return data.conditions.map((_, i) => i).filter(i => state.shown[i]);
}

function metricOf(data, state, condition) {
  return state.metric === "own" ? data.conditions[condition].own : state.metric;
}

function layoutOf(title, xaxis, yaxis) {
  const axis = {gridcolor: "#ececec", zeroline: false, linecolor: "#444", ticks: "outside", automargin: true};
  return {title: {text: title, font: {size: 14}, x: 0.02, xanchor: "left"}, dragmode: IS_TOUCHED ? false : "zoom",
    font: {family: "system-ui, sans-serif", size: 12, color: "#1b1b1b"}, hovermode: "closest",
    margin: {l: 55, r: 12, t: title ? 40 : 14, b: 45}, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
    xaxis: {...axis, ...xaxis}, yaxis: {...axis, ...yaxis},
    legend: {orientation: "h", y: -0.22, yanchor: "top", font: {size: 11}}};
}

function metricAxis(data, metric) {
  const range = SHARES.includes(metric) ? {range: [-0.03, 1.03]} : {rangemode: "tozero"};
  return {title: {text: data.metrics[metric], font: {size: 12}}, ...range};
}

// The axis of a knob; ticks name the values that are not drawn to scale.
function knobAxis(knob) {
  const axis = {title: {text: knob.label, font: {size: 12}}, type: knob.scale === "log" ? "log" : "linear"};
  if (knob.scale === "linear") return axis;
  const every = Math.ceil(knob.texts.length / (knob.scale === "names" ? 16 : 10));
  if (knob.scale === "names") axis.range = [-0.5, knob.texts.length - 0.5];
  const chosen = knob.texts.map((_, i) => i).filter(i => i % every === 0);
  if (knob.texts.join("").length > 36) Object.assign(axis, {tickangle: -35, ticklabeloverflow: "allow"});
  return {...axis, tickvals: chosen.map(i => knob.places[i]), ticktext: chosen.map(i => knob.texts[i])};
}

function ascending(knob) {
  return knob.places.map((_, i) => i).sort((a, b) => knob.places[a] - knob.places[b]);
}

function bandOf(x, low, high, color) {
  const there = x.map((_, i) => i).filter(i => low[i] !== null && high[i] !== null);
  const back = [...there].reverse();
  return {x: [...there.map(i => x[i]), ...back.map(i => x[i])],
    y: [...there.map(i => high[i]), ...back.map(i => low[i])],
    fill: "toself", mode: "lines", fillcolor: faint(color), line: {width: 0},
    hoverinfo: "skip", showlegend: false};
}

function faint(color) {
  const part = at => parseInt(color.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},0.16)`;
}

function formatNumber(value) {
  return value === null || value === undefined ? "none" : Number(value.toPrecision(3)).toString();
}

function formatBand(mean, low, high) {
  return low === null ? formatNumber(mean) : `${formatNumber(mean)} (95 %: ${formatNumber(low)} to ${formatNumber(high)})`;
}

function marker(data, state) {
  const step = data.steps[state.step];
  return {type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1,
    line: {color: "#888", width: 1, dash: "dot"}};
}

function drawCurves(data, state, i) {
  const c = shown(data, state)[i], condition = data.conditions[c];
  const metric = metricOf(data, state, c), knob = data.knobs[state.lines];
  const found = data.lines[state.lines][metric], bands = [], lines = [];
  const levels = new Set(found.chance[c].filter(level => level !== null).map(level => level.toFixed(3)));
  found.mean[c].forEach((mean, v) => {
    const color = knob ? knob.colors[v] : condition.color, name = knob ? knob.texts[v] : condition.label;
    const low = found.low[c][v], high = found.high[c][v];
    bands.push(bandOf(data.steps, low, high, color));
    lines.push({x: data.steps, y: mean, mode: "lines", name, showlegend: mean.some(value => value !== null),
      line: {color, width: 2, dash: DASHES[v % DASHES.length]},
      text: mean.map((value, s) => formatBand(value, low[s], high[s])),
      hovertemplate: "step %{x}: %{text}<extra>%{fullData.name}</extra>"});
  });
  const ends = [data.steps[0], data.steps[data.steps.length - 1]];
  const chance = [...levels].map(level => ({x: ends, y: [level, level], mode: "lines", name: "chance",
    hoverinfo: "name+y", showlegend: false, line: {color: "#555", width: 1, dash: "dot"}}));
  const layout = layoutOf(condition.label, {title: {text: "training step", font: {size: 12}}}, metricAxis(data, metric));
  layout.legend.title = {text: knob ? knob.label : "", font: {size: 11}, side: "top"};
  layout.showlegend = Boolean(knob);
  layout.shapes = [marker(data, state)];
  return {traces: [...bands, ...chance, ...lines], layout};
}

function drawEffect(data, state, k) {
  const knob = data.knobs[k], order = ascending(knob), isNamed = knob.scale === "names";
  const bands = [], lines = [], used = new Set(), chosen = shown(data, state);
  for (const [i, c] of chosen.entries()) {
    const beside = isNamed ? 0.6 * ((i + 0.5) / chosen.length - 0.5) : 0;
    const x = order.map(v => knob.places[v] + beside);
    const condition = data.conditions[c], metric = metricOf(data, state, c), color = condition.color;
    const symbol = SYMBOLS[c % SYMBOLS.length], found = data.lines[k][metric], at = state.step;
    const pick = values => order.map(v => values[c][v][at]);
    const mean = pick(found.mean), low = pick(found.low), high = pick(found.high);
    used.add(metric);
    if (!isNamed) bands.push(bandOf(x, low, high, color));
    // Chance of a name is a piece of line at its place.
    const [places, levels] = isNamed ? order.reduce(([xs, ys], v) => {
      const level = found.chance[c][v], at = knob.places[v];
      return [[...xs, at - 0.35, at + 0.35, null], [...ys, level, level, null]];
    }, [[], []]) : [x, order.map(v => found.chance[c][v])];
    lines.push({x: places, y: levels, mode: "lines", hoverinfo: "skip",
      showlegend: false, line: {color, width: 1, dash: "dot"}});
    lines.push({x: order.flatMap((v, i) => found.seeds[c][v].map(() => x[i])),
      y: order.flatMap(v => found.seeds[c][v].map(seed => seed[at])), mode: "markers",
      hovertemplate: `%{y}<extra>one seed, ${condition.name}</extra>`, showlegend: false,
      marker: {color, symbol: `${symbol}-open`, size: 5, opacity: 0.6}});
    // Between names there is nothing: no line there, and intervals as bars.
    const reach = {type: "data", symmetric: false, array: mean.map((value, i) => distance(high[i], value)),
      arrayminus: mean.map((value, i) => distance(value, low[i])), visible: isNamed, width: 3};
    lines.push({x, y: mean, mode: isNamed ? "markers" : "lines+markers", name: condition.label, error_y: reach,
      text: mean.map((value, i) => `${knob.texts[order[i]]}: ${formatBand(value, low[i], high[i])}`),
      hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
      line: {color, width: 2}, marker: {symbol, size: 8}});
  }
  const metrics = [...used], both = metrics.every(metric => metric.startsWith("accuracy"));
  const yaxis = metricAxis(data, metrics[0]);
  if (metrics.length > 1 && both) yaxis.title.text = "accuracy";
  const layout = layoutOf("", knobAxis(knob), yaxis);
  Object.assign(layout.legend, {y: 1.02, yanchor: "bottom"});  // below are the knob's values
  return {traces: [...bands, ...lines], layout};
}

function distance(high, low) {
  return high === null || low === null ? 0 : high - low;
}

function contourOf(x, y, z, color, width) {
  return {type: "contour", x, y, z, autocontour: false, showscale: false, hoverinfo: "skip",
    connectgaps: false, line: {color, width, smoothing: 0}, colorscale: [[0, color], [1, color]],
    contours: {coloring: "none", start: 0.25, end: 0.75, size: 0.25, showlabels: true,
      labelfont: {color, size: 11}}};
}

function drawPhase(data, state, i) {
  const c = shown(data, state)[i], condition = data.conditions[c], pair = data.pairs[state.pair];
  const metric = metricOf(data, state, c), isShare = SHARES.includes(metric);
  const [kx, ky] = [pair.x, pair.y].map(name => data.knobs.find(knob => knob.name === name));
  const columns = ascending(kx), rows = ascending(ky);
  const x = columns.map(v => kx.places[v]), y = rows.map(v => ky.places[v]);
  const z = rows.map(r => columns.map(v => pair.values[metric][c][r][v][state.step]));
  const bounds = isShare ? {zmin: 0, zmax: 1} : {};
  const traces = [{type: "heatmap", x, y, z, colorscale: "Cividis", hoverinfo: "skip", ...bounds,
    colorbar: {thickness: 12, outlinewidth: 0, tickfont: {size: 11}}}];
  if (isShare && [kx, ky].every(knob => ["linear", "log"].includes(knob.scale))) {
    traces.push(contourOf(x, y, z, "#000", 4), contourOf(x, y, z, "#fff", 1.6));
  }
  const cells = rows.flatMap((r, j) => columns.map((v, k) => ({x: x[k], y: y[j], value: z[j][k],
    text: `${kx.name} = ${kx.texts[v]}<br>${ky.name} = ${ky.texts[r]}<br>${formatNumber(z[j][k])}` +
      `<br>${pair.runs[r][v]} of ${pair.of} runs`})));
  traces.push({x: cells.map(cell => cell.x), y: cells.map(cell => cell.y), mode: "markers",
    text: cells.map(cell => cell.text), hovertemplate: "%{text}<extra></extra>", showlegend: false,
    marker: {size: cells.length > 400 ? 3 : 5, color: cells.map(cell => cell.value === null ? "#888" : "#fff"),
      symbol: cells.map(cell => cell.value === null ? "x" : "circle"), line: {color: "#000", width: 0.7}}});
  const layout = layoutOf(condition.label, knobAxis(kx), knobAxis(ky));
  layout.xaxis.showgrid = layout.yaxis.showgrid = layout.showlegend = false;
  layout.annotations = [{text: data.metrics[metric], xref: "paper", yref: "paper", x: 0, y: 1,
    showarrow: false, xanchor: "left", yanchor: "bottom", font: {size: 11, color: "#595959"}}];
  return {traces, layout};
}

const FIGURES = {curves: drawCurves, effects: drawEffect, phases: drawPhase};
document.querySelectorAll("section:has(script.data)").forEach(setUp);
const fit = () => document.querySelectorAll(".js-plotly-plot").forEach(plot => Plotly.Plots.resize(plot));
window.addEventListener("beforeprint", fit);
window.addEventListener("afterprint", fit);
