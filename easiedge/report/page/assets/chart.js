// Charts as SVG, drawn at the width there is; what is under the pointer, or chosen with the arrow keys, is told in words.

const SVG = "http://www.w3.org/2000/svg";
const CROWDED = 150;

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function seriesColour(series) {
  if (series.shade !== undefined) return { class: "shaded", fill: viridis(0.05 + 0.85 * series.shade), stroke: viridis(0.05 + 0.85 * series.shade) };
  return { class: (series.hue ?? 0) < 0 ? "grey" : `hue${(series.hue ?? 0) % 12}` };
}

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return `rgb(${VIRIDIS[i].map((c, k) => Math.round(c + (at - i) * (VIRIDIS[i + 1][k] - c))).join(",")})`;
}

// Draws a chart into its figure, with legend, and again whenever the width changes.
function showChart(figure, chart) {
  const stage = figure.querySelector(".stage");
  figure.querySelector(".title").textContent = chart.title;
  figure.querySelector(".note").textContent = chart.note || "";
  const hidden = new Set();
  const draw = () => {
    const width = Math.max(stage.clientWidth, 260);
    const shown = { ...chart, series: (chart.series || []).filter((_, i) => !hidden.has(i)) };
    const drawn = PAINTERS[chart.kind](shown, width, chart);
    drawn.root.setAttribute("role", "img");
    drawn.root.setAttribute("tabindex", "0");
    drawn.root.setAttribute("aria-label", `${chart.title}. Arrow keys go through the points.`);
    stage.replaceChildren(drawn.root);
    pointAt(stage, drawn);
  };
  legend(figure.querySelector(".legend"), chart, hidden, draw);
  figure.redraw = draw;
  draw();
  let last = stage.clientWidth;
  figure.watch?.disconnect();
  figure.watch = new ResizeObserver(() => {
    if (Math.abs(stage.clientWidth - last) > 1) {
      last = stage.clientWidth;
      draw();
    }
  });
  figure.watch.observe(stage);
}

function legend(list, chart, hidden, draw) {
  const series = chart.series || [];
  const scaled = series.some((s) => s.shade !== undefined);
  if (!list || chart.kind === "forest" || chart.kind === "heat" || scaled || series.length < 2) return list?.replaceChildren();
  list.replaceChildren(
    ...series.map((s, i) => {
      const sample = svg("svg", { width: 26, height: 12, "aria-hidden": "true" }, svg("g", seriesColour(s), ...sampleMark(s, chart)));
      const button = element("button", { type: "button", "aria-pressed": "true" }, sample, s.name);
      button.addEventListener("click", () => {
        if (hidden.has(i)) hidden.delete(i);
        else hidden.add(i);
        button.setAttribute("aria-pressed", String(!hidden.has(i)));
        draw();
      });
      return element("li", {}, button);
    })
  );
}

function sampleMark(series, chart) {
  if (chart.kind === "bars") return [svg("rect", { x: 7, y: 1, width: 12, height: 10, class: (series.hue ?? 0) < 0 ? "pale" : "filled" })];
  const found = [];
  if (series.wide) return [svg("path", { d: "M1 6H25", class: "line wide" })];
  if (series.line !== false) found.push(svg("path", { d: "M1 6H25", class: series.dashed ? "line dashed" : "line" }));
  if (series.marks !== false) found.push(mark(13, 6, series, 3.6));
  return found;
}

// A mark of the series' shape; open where the line is dashed.
function mark(x, y, series, size) {
  const r = size;
  const shapes = [
    `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
    `M${-r} ${-r}H${r}V${r}H${-r}Z`,
    `M0 ${-1.2 * r}L${1.1 * r} ${r}H${-1.1 * r}Z`,
    `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
    `M0 ${1.2 * r}L${1.1 * r} ${-r}H${-1.1 * r}Z`,
  ];
  const shape = (series.hue ?? 0) < 0 ? shapes[3] : shapes[(series.hue ?? 0) % shapes.length];
  return svg("path", { d: shape, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, class: series.dashed ? "mark open" : "mark" });
}
