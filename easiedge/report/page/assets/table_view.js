// The table of runs in the page: headers that sort, fields that filter, pages, and which columns show.

const LISTED = 40; // levels that a column's filter offers as a list

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {}))
    if (name === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function startTable(host, data) {
  const columns = decodeColumns(data.columns);
  const state = { sort: null, descending: false, page: 0, size: 50, query: "", fields: new Map(), rows: [] };
  const shown = new Set(columns.filter((c) => c.shown).map((c) => c.name));
  const count = data.links.length;

  const query = host.querySelector("[data-role=query]");
  const message = host.querySelector("[data-role=message]");
  const status = host.querySelector("[data-role=status]");
  const table = host.querySelector("table");
  const size = host.querySelector("[data-role=size]");
  const previous = host.querySelector("[data-role=previous]");
  const next = host.querySelector("[data-role=next]");
  const chooser = host.querySelector("[data-role=columns]");

  function visible() {
    return columns.filter((c) => shown.has(c.name));
  }

  function sortBy(column) {
    const again = state.sort === column;
    state.descending = again ? !state.descending : column.form !== "text" && column.name !== "seed";
    state.sort = column;
    state.page = 0;
    head();
    update();
    table.querySelector("th[aria-sort] button")?.focus();
  }

  function head() {
    const titles = element("tr");
    const fields = element("tr", { class: "fields" });
    for (const column of visible()) {
      const sorted = state.sort === column;
      const arrow = element("span", { class: `arrow ${sorted ? (state.descending ? "down" : "up") : ""}`, "aria-hidden": "true" });
      const button = element("button", { type: "button", on: { click: () => sortBy(column) } }, column.title, arrow);
      const unit = column.form === "percent" ? element("span", { class: "unit" }, " %") : "";
      if (unit) button.insertBefore(unit, arrow);
      const attributes = { scope: "col", "data-column": column.name, class: (column.form === "text" ? "" : "number ") + (column.config ? "config" : "") };
      if (sorted) attributes["aria-sort"] = state.descending ? "descending" : "ascending";
      titles.append(element("th", attributes, button));
      fields.append(element("td", {}, field(column)));
    }
    table.tHead.replaceChildren(titles, fields);
  }

  function field(column) {
    const change = (event) => {
      state.fields.set(column.name, event.target.value);
      state.page = 0;
      update();
    };
    const label = `filter ${column.title}`;
    const value = state.fields.get(column.name) || "";
    if (column.levels && column.levels.length <= LISTED) {
      const list = element("select", { "aria-label": label, "data-field": column.name, on: { change } }, element("option", { value: "" }, "all"));
      for (const level of [...column.levels].sort(collator.compare)) {
        const wanted = `="${level}"`;
        list.append(element("option", { value: wanted, selected: wanted === value }, level));
      }
      return list;
    }
    const hint = column.form === "text" ? "part of it" : column.form === "percent" ? "> 50%" : ">";
    const input = element("input", { type: "text", "aria-label": label, "data-field": column.name, placeholder: hint, on: { input: change } });
    input.value = value;
    return input;
  }

  function tests() {
    const found = [];
    const wrong = [];
    const attempt = (read, input) => {
      try {
        read();
        input?.removeAttribute("aria-invalid");
      } catch (error) {
        wrong.push(error.message);
        input?.setAttribute("aria-invalid", "true");
      }
    };
    attempt(() => found.push(...parseQuery(query.value, columns)), query);
    for (const column of columns) {
      const text = state.fields.get(column.name);
      if (!text) continue;
      const input = [...table.tHead.querySelectorAll("[data-field]")].find((i) => i.dataset.field === column.name);
      attempt(() => {
        const holds = parseCondition(text, column);
        if (holds) found.push((row) => holds(column.cells[row]));
      }, input);
    }
    message.textContent = wrong.join("; ");
    return found;
  }

  function update() {
    const kept = filteredRows(count, tests());
    state.rows = state.sort ? sortedRows(kept, state.sort, state.descending) : kept;
    const pages = Math.max(1, Math.ceil(state.rows.length / state.size));
    state.page = Math.min(state.page, pages - 1);
    const from = state.page * state.size;
    const part = state.rows.slice(from, from + state.size);
    status.textContent = part.length
      ? `${(from + 1).toLocaleString("en-US")}\u2013${(from + part.length).toLocaleString("en-US")} of ${state.rows.length.toLocaleString("en-US")} runs` +
        (state.rows.length < count ? ` (${count.toLocaleString("en-US")} in all)` : "")
      : "no run matches";
    previous.disabled = state.page === 0;
    next.disabled = state.page >= pages - 1;
    const columnsNow = visible();
    table.tBodies[0].replaceChildren(...part.map((row) => bodyRow(row, columnsNow)));
  }

  function bodyRow(row, columnsNow) {
    const line = element("tr");
    for (const column of columnsNow) {
      const cell = column.cells[row];
      const differs = column.config && cell !== column.usual;
      const text = cell === null ? "\u2013" : formatted(cell, column.form);
      const content = column.name === "run" ? element("a", { href: data.links[row] }, text) : text;
      const kind = [column.form === "text" ? "" : "number", differs ? "differs" : ""].join(" ").trim();
      const name = column.name === "run" ? "th" : "td";
      line.append(element(name, { class: kind || null, scope: name === "th" ? "row" : null }, content));
    }
    return line;
  }

  for (const column of columns) {
    const box = element("input", { type: "checkbox", checked: column.shown, disabled: column.name === "run" });
    box.addEventListener("change", () => {
      if (box.checked) shown.add(column.name);
      else shown.delete(column.name);
      if (!box.checked) state.fields.delete(column.name);
      head();
      update();
    });
    chooser.append(element("label", { class: column.config ? "config" : null }, box, ` ${column.title}`));
  }
  const turn = (by) => () => {
    state.page += by;
    update();
  };
  query.addEventListener("input", () => {
    state.page = 0;
    update();
  });
  size.addEventListener("change", () => {
    state.size = Number(size.value);
    state.page = 0;
    update();
  });
  previous.addEventListener("click", turn(-1));
  next.addEventListener("click", turn(1));
  head();
  update();
}
