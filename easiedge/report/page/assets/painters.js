// One painter for each kind of chart: gives the SVG element and the points that can be told in words.

const PAINTERS = { lines: paintLines, bars: paintBars, forest: paintForest, heat: paintHeat };

function canvas(width, height) {
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
}

function frame(root, area, x, y, xLabel, yLabel, options = {}) {
  const grid = svg("g", { class: "grid" });
  for (const tick of y?.ticks || []) {
    grid.append(svg("path", { d: `M${area.left} ${tick.at}H${area.right}` }));
    grid.append(svg("text", { x: area.left - 6, y: tick.at + 4, "text-anchor": "end" }, tick.text));
  }
  for (const tick of x?.ticks || []) {
    if (options.upright) grid.append(svg("path", { d: `M${tick.at} ${area.top}V${area.bottom}` }));
    grid.append(svg("text", { x: tick.at, y: area.bottom + 16, "text-anchor": "middle" }, tick.text));
  }
  grid.append(svg("path", { d: `M${area.left} ${area.bottom}H${area.right}`, class: "axis" }));
  if (xLabel) grid.append(svg("text", { x: (area.left + area.right) / 2, y: area.bottom + 34, "text-anchor": "middle", class: "label" }, xLabel));
  if (yLabel) grid.append(svg("text", { x: 0, y: 11, class: "label" }, yLabel));
  root.append(grid);
}

// An interval, from its lower to its upper end.
function whiskers(x, from, to) {
  return svg("path", { d: `M${x - 3} ${from}h6M${x} ${from}V${to}M${x - 3} ${to}h6`, class: "interval" });
}

// Places along x; 1, 2, 3, ... where a series has none of its own.
function placesOf(series) {
  return series.x?.length ? series.x : series.y.map((_, i) => i + 1);
}

function interval(series, i, form) {
  const low = series.low?.[i];
  const high = series.high?.[i];
  const known = low !== null && low !== undefined && high !== null && high !== undefined;
  return known ? ` (${formatted(low, form)} to ${formatted(high, form)})` : "";
}

function seeds(series, i) {
  const n = series.n?.[i];
  return n ? `\n${n} ${n === 1 ? "seed, no interval" : "seeds"}` : "";
}

function paintLines(chart, width, whole) {
  const height = width < 480 ? 280 : 320;
  const area = { left: 46, right: width - 12, top: 24, bottom: height - 42 };
  const root = canvas(width, height);
  const all = (whole.series || []).map((s) => ({ ...s, x: placesOf(s) }));
  const x = makeScale(whole.x, all.flatMap((s) => s.x), area.left + 6, area.right, { apart: 70 });
  const spread = all.flatMap((s) => [...s.y, ...(s.low || []), ...(s.high || [])]).filter((v) => v !== null);
  const y = makeScale(whole.y, spread, area.bottom, area.top, { apart: 45 });
  frame(root, area, x, y, whole.x.label, whole.y.label, { upright: true });
  for (const [name, at] of chart.breaks || []) {
    const place = Math.max(x.place(at - 0.5), area.left);
    root.append(svg("path", { d: `M${place} ${area.top}V${area.bottom}`, class: "break" }));
    root.append(svg("text", { x: place + 4, y: area.top + 10, class: "label" }, name));
  }
  const points = [];
  for (const series of chart.series) {
    const xs = placesOf(series);
    const crowded = series.y.length > CROWDED;
    const group = svg("g", seriesColour(series));
    let path = "";
    let gap = true;
    xs.forEach((value, i) => {
      const px = x.place(value);
      const py = series.y[i] === null ? NaN : y.place(series.y[i]);
      if (!Number.isFinite(px) || !Number.isFinite(py)) {
        gap = true;
        return;
      }
      path += `${gap ? "M" : "L"}${px.toFixed(1)} ${py.toFixed(1)}`;
      gap = false;
      const [low, high] = [series.low?.[i], series.high?.[i]];
      if (low !== null && low !== undefined && high !== null && high !== undefined)
        group.append(whiskers(px, Math.min(y.place(low), area.bottom), Math.max(y.place(high), area.top)));
      if (series.wide) return;
      const told = `${series.name}\n${whole.x.label}: ${formatted(value, whole.x.form)}\n${whole.y.label}: ${formatted(series.y[i], whole.y.form)}`;
      points.push({ x: px, y: py, text: told + interval(series, i, whole.y.form) + seeds(series, i) });
    });
    if (series.line !== false) group.append(svg("path", { d: path, class: `line${series.dashed ? " dashed" : ""}${series.wide ? " wide" : ""}` }));
    if (series.marks !== false)
      xs.forEach((value, i) => {
        const px = x.place(value);
        const py = series.y[i] === null ? NaN : y.place(series.y[i]);
        if (Number.isFinite(px) && Number.isFinite(py)) group.append(mark(px, py, series, crowded ? 2 : 4));
      });
    if (crowded) group.classList.add("crowded");
    root.append(group);
  }
  return { root, points };
}

function paintBars(chart, width, whole) {
  const names = chart.categories;
  const slot = Math.max((width - 58) / names.length, 9);
  const full = Math.max(width, slot * names.length + 58);
  const flat = Math.max(...names.map((n) => n.length)) * 6.2 < slot;
  const tall = flat ? 26 : Math.min(Math.max(...names.map((n) => n.length)) * 6.2 + 12, 130);
  const height = 250 + tall;
  const area = { left: 46, right: full - 12, top: 24, bottom: height - tall };
  const root = canvas(full, height);
  const y = makeScale(whole.y, whole.series.flatMap((s) => s.y), area.bottom, area.top, { apart: 45, zero: true });
  frame(root, area, null, y, "", whole.y.label);
  const grey = chart.series.filter((s) => (s.hue ?? 0) < 0);
  const front = chart.series.filter((s) => (s.hue ?? 0) >= 0);
  const points = [];
  names.forEach((name, k) => {
    const left = area.left + slot * k + 0.08 * slot;
    const wide = 0.84 * slot;
    const text = { "text-anchor": flat ? "middle" : "end", class: "category" };
    const [cx, cy] = [left + wide / 2, area.bottom + (flat ? 16 : 8)];
    if (!flat) text.transform = `rotate(-90 ${cx} ${cy})`;
    root.append(svg("text", { x: cx, y: cy + (flat ? 0 : 4), ...text }, flat ? name : cut(name, 20)));
    const dense = grey[0]?.y[k];
    for (const s of grey) root.append(bar(left, wide, s.y[k], y, area, "pale"));
    front.forEach((s, j) => {
      const each = wide / front.length;
      const group = svg("g", seriesColour(s), bar(left + each * j + 0.04 * each, 0.92 * each, s.y[k], y, area, "filled"));
      const several = (s.n?.[k] ?? 1) > 1;
      const px = left + each * (j + 0.5);
      if (several) group.append(svg("path", { d: `M${px} ${y.place(s.low[k])}V${y.place(s.high[k])}`, class: "whisker" }));
      root.append(group);
      const share = dense ? `, ${formatted(s.y[k] / dense, "percent")} % of ${formatted(dense, "whole")}` : "";
      const range = several ? `\n${formatted(s.low[k], "number")} to ${formatted(s.high[k], "number")} over ${s.n[k]} seeds` : "";
      const box = [px - each / 2, px + each / 2, area.top, area.bottom];
      points.push({ x: px, y: y.place(s.y[k]), box, text: `${name}\n${s.name}: ${formatted(s.y[k], "number")}${share}${range}` });
    });
  });
  return { root, points };
}

function bar(x, width, value, y, area, kind) {
  const top = y.place(value);
  return svg("rect", { x: x.toFixed(1), y: top.toFixed(1), width: Math.max(width, 1).toFixed(1), height: Math.max(area.bottom - top, 0).toFixed(1), class: kind });
}

function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
