// The words beside a point: by pointer, by touch, or by the arrow keys.

function pointAt(stage, drawn) {
  const { root, points } = drawn;
  if (!points.length) return;
  const box = element("div", { class: "tip", role: "status", hidden: true });
  const ring = svg("circle", { r: 7, class: "ring", visibility: "hidden" });
  root.append(ring);
  stage.append(box);
  let current = -1;

  function show(i) {
    current = i;
    const { x, y, text } = points[i];
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    ring.setAttribute("visibility", "visible");
    box.textContent = text;
    box.hidden = false;
    const width = stage.clientWidth;
    const left = Math.min(Math.max(x - box.offsetWidth / 2, 0), Math.max(width - box.offsetWidth, 0));
    const above = y - box.offsetHeight - 12;
    box.style.left = `${left}px`;
    box.style.top = `${above > -4 ? above : y + 14}px`;
  }

  function hide() {
    current = -1;
    box.hidden = true;
    ring.setAttribute("visibility", "hidden");
  }

  function nearest(event) {
    const area = root.getBoundingClientRect();
    const x = event.clientX - area.left;
    const y = event.clientY - area.top;
    let best = -1;
    let least = 40 ** 2;
    points.forEach((point, i) => {
      if (point.box && x >= point.box[0] && x <= point.box[1] && y >= point.box[2] && y <= point.box[3]) {
        best = i;
        least = -1;
      }
      const away = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (away < least) {
        best = i;
        least = away;
      }
    });
    return best;
  }

  const follow = (event) => {
    const i = nearest(event);
    if (i < 0) hide();
    else show(i);
  };
  root.addEventListener("pointermove", follow);
  root.addEventListener("pointerdown", follow);
  root.addEventListener("pointerleave", hide);
  root.addEventListener("blur", hide);
  root.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!by) return;
    event.preventDefault();
    show((current + by + points.length) % points.length);
  });
}
