// What happened within one setting or two: the charts of a section whose settings the reader chooses.

function startDetails(host, section) {
  const figures = [...host.querySelectorAll("figure[data-detail]")];
  const lists = [...host.querySelectorAll("select")];
  lists.forEach((list, i) => {
    if (i > 0) list.append(element("option", { value: "" }, "none"));
    section.details.forEach((detail, k) => list.append(element("option", { value: k }, detail.name)));
    list.value = section.chosen[i] ?? "";
    list.addEventListener("change", update);
  });

  function update() {
    const numbers = [...new Set(lists.map((list) => list.value).filter((value) => value !== "").map(Number))];
    const chosen = numbers.map((k) => section.details[k]);
    for (const figure of figures) {
      const key = figure.dataset.detail;
      const chart = key === "layers" ? layersChart(section, chosen) : framedChart(section, key, chosen);
      figure.hidden = !chart;
      if (chart) showChart(figure, chart);
    }
  }
  update();
}

function layersChart(section, chosen) {
  const with_layers = chosen.filter((d) => d.parts.layers);
  if (!with_layers.length) return null;
  const layers = section.architectures[with_layers[0].layers];
  const series = with_layers.filter((d) => d.layers === with_layers[0].layers).map((d, i) => ({ ...d.parts.layers[0], name: d.name, hue: i }));
  const dense = { name: "dense network", y: layers.map(([, units]) => units), hue: -1 };
  return { ...section.frames.layers, categories: layers.map(([name]) => name), series: [dense, ...series] };
}

function framedChart(section, key, chosen) {
  const series = chosen.flatMap((d, i) => (d.parts[key] || []).map((part) => ({ ...part, name: `${part.name}: ${d.name}`, hue: i })));
  if (!series.length) return null;
  const stages = chosen.filter((d) => d.parts[key]).map((d) => JSON.stringify(d.stages || []));
  const agree = key.startsWith("training") && stages.every((s) => s === stages[0]);
  return { ...section.frames[key], series, breaks: agree ? JSON.parse(stages[0]) : [] };
}
