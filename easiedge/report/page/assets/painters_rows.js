// Charts with a row for each name: intervals about zero, and heat maps.

function paintForest(chart, width, whole) {
  const series = whole.series[0];
  const rows = whole.rows;
  const narrow = width < 560;
  const each = narrow ? 40 : 24;
  const height = rows.length * each + 60;
  const names = narrow ? 0 : Math.min(Math.max(...rows.map((r) => r.length)) * 6.4 + 14, width * 0.5);
  const area = { left: names + 8, right: width - 14, top: 8, bottom: height - 42 };
  const root = canvas(width, height);
  const ends = [...series.y, ...(series.low || []), ...(series.high || []), 0].filter((v) => v !== null);
  const x = makeScale(whole.x, ends, area.left, area.right, { apart: 60 });
  frame(root, area, x, null, narrow ? whole.x.label.split(",")[0] : whole.x.label, "", { upright: true });
  root.append(svg("path", { d: `M${x.place(0)} ${area.top}V${area.bottom}`, class: "zero" }));
  const points = [];
  rows.forEach((name, i) => {
    const y = area.top + each * (i + (narrow ? 0.75 : 0.5));
    const most = narrow ? Math.floor(width / 6.2) : Math.floor(names / 6.2);
    root.append(svg("text", narrow ? { x: 4, y: y - 14 } : { x: names, y: y + 4, "text-anchor": "end" }, cut(name, most)));
    if (series.y[i] === null) return;
    const [low, high] = [series.low[i], series.high[i]];
    const known = low !== null && high !== null;
    const sure = whole.sure[i];
    const group = svg("g", { class: "hue0" });
    if (known) group.append(svg("path", { d: `M${x.place(low)} ${y}H${x.place(high)}`, class: "line" }));
    group.append(mark(x.place(series.y[i]), y, { hue: 0, dashed: !sure }, 4));
    root.append(group);
    points.push({ x: x.place(series.y[i]), y, text: `${name}\n${formatted(series.y[i], "percent")} points${interval(series, i, "percent")}${seeds(series, i)}` });
  });
  return { root, points };
}

function paintHeat(chart, width) {
  const { rows, columns, values } = chart;
  const each = 20;
  const names = Math.min(Math.max(...rows.map((r) => r.length)) * 6.4 + 12, width * 0.36);
  const area = { left: names, right: width - 8, top: 6, bottom: 6 + rows.length * each };
  const scale = 54;
  const root = canvas(width, area.bottom + 44 + scale);
  const [low, high] = extremes(values.flat().filter((v) => v !== null));
  const cell = (area.right - area.left) / columns.length;
  const points = [];
  rows.forEach((name, r) => {
    const top = area.top + r * each;
    root.append(svg("text", { x: names - 6, y: top + 14, "text-anchor": "end" }, cut(name, Math.floor(names / 6.2))));
    columns.forEach((column, c) => {
      const value = values[r][c];
      const left = area.left + c * cell;
      const share = high > low ? (value - low) / (high - low) : 1;
      const colour = value === null ? "none" : viridis(share);
      root.append(svg("rect", { x: left.toFixed(1), y: top, width: Math.max(cell - 1, 1).toFixed(1), height: each - 1, fill: colour }));
      if (cell > 38 && value !== null)
        root.append(svg("text", { x: left + cell / 2, y: top + 14, "text-anchor": "middle", class: share > 0.55 ? "on-light" : "on-dark" }, (100 * value).toFixed(1)));
      points.push({ x: left + cell / 2, y: top + each / 2, text: `${name}\n${column} removed: ${formatted(value, chart.value.form)} %` });
    });
  });
  const every = Math.ceil(44 / cell);
  columns.forEach((column, c) => {
    if (c % every === 0) root.append(svg("text", { x: area.left + (c + 0.5) * cell, y: area.bottom + 15, "text-anchor": "middle" }, column));
  });
  root.append(svg("text", { x: (area.left + area.right) / 2, y: area.bottom + 33, "text-anchor": "middle", class: "label" }, chart.x.label));
  const steps = 40;
  const bar = (area.right - area.left) / steps;
  for (let i = 0; i < steps; i++)
    root.append(svg("rect", { x: area.left + i * bar, y: area.bottom + 48, width: bar + 0.5, height: 10, fill: viridis(i / (steps - 1)) }));
  root.append(svg("text", { x: area.left, y: area.bottom + 74 }, formatted(low, chart.value.form)));
  root.append(svg("text", { x: area.right, y: area.bottom + 74, "text-anchor": "end" }, formatted(high, chart.value.form)));
  root.append(svg("text", { x: (area.left + area.right) / 2, y: area.bottom + 74, "text-anchor": "middle", class: "label" }, chart.value.label));
  return { root, points };
}
