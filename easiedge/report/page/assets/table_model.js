// The table of runs without a document: decoding, conditions, sorting. Tested under node.

function decodeColumns(columns) {
  return columns.map((column) =>
    column.levels
      ? {
          ...column,
          cells: column.cells.map((i) => (i === null ? null : column.levels[i])),
          usual: column.usual === null || column.usual === undefined ? column.usual : column.levels[column.usual],
        }
      : column
  );
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// Row numbers in order of a column; rows without a value come last either way, equal ones keep their order.
function sortedRows(rows, column, descending) {
  const cells = column.cells;
  const sign = descending ? -1 : 1;
  const compare = column.form === "text" ? collator.compare : (a, b) => a - b;
  return [...rows].sort((i, j) => {
    const a = cells[i];
    const b = cells[j];
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    return sign * compare(a, b) || i - j;
  });
}

function readNumber(text, form) {
  const match = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%?)$/i.exec(text.trim().replace("\u2212", "-"));
  if (!match) throw new Error(`"${text.trim()}" is not a number`);
  return match[2] ? Number(match[1]) / 100 : Number(match[1]);
}

const same = (a, b) => Math.abs(a - b) <= 1e-5 * Math.max(Math.abs(a), Math.abs(b), 1e-9);

const operators = {
  "<": (a, b) => a < b && !same(a, b),
  "<=": (a, b) => a < b || same(a, b),
  ">": (a, b) => a > b && !same(a, b),
  ">=": (a, b) => a > b || same(a, b),
  "=": same,
  "!=": (a, b) => !same(a, b),
};

// A test of one cell from what stands in a column's field: "> 0.5", "50%", "0.2..0.6", "!= global", "part of a name".
function parseCondition(text, column) {
  const wanted = text.trim();
  if (!wanted) return null;
  const [, sign, rest] = /^(<=|>=|!=|=|<|>)?\s*(.*)$/s.exec(wanted);
  if (column.form === "text") {
    if (sign === "=" || sign === "!=") {
      const exact = rest.replace(/^"(.*)"$/s, "$1").toLowerCase();
      return (cell) => ((cell ?? "").toLowerCase() === exact) === (sign === "=");
    }
    if (sign) throw new Error(`${column.title} is text: use = or !=, or a part of it`);
    const part = rest.replace(/^"(.*)"$/s, "$1").toLowerCase();
    return (cell) => cell !== null && cell.toLowerCase().includes(part);
  }
  const range = !sign && /^(.+?)\.\.(.+)$/.exec(rest);
  if (range) {
    const low = readNumber(range[1]);
    const high = readNumber(range[2]);
    return (cell) => cell !== null && operators[">="](cell, low) && operators["<="](cell, high);
  }
  const number = readNumber(rest);
  const holds = operators[sign || "="];
  return (cell) => cell !== null && holds(cell, number);
}

function findColumn(name, columns) {
  const wanted = name.toLowerCase();
  const exact = columns.filter((c) => c.name.toLowerCase() === wanted || c.title.toLowerCase() === wanted);
  if (exact.length) return exact[0];
  const ends = columns.filter((c) => c.name.toLowerCase().endsWith("." + wanted));
  if (ends.length === 1) return ends[0];
  throw new Error(ends.length ? `several columns end in ${name}: write more of the name` : `there is no column ${name}`);
}

// The field above the table: conditions such as macs_removed>0.5 and words that stand anywhere in a run's texts.
function parseQuery(text, columns) {
  const tokens = text.match(/(?:"[^"]*"|[^\s"<>=!]+)?\s*(?:<=|>=|!=|=|<|>)\s*(?:"[^"]*"|[^\s"]+)|"[^"]*"|[^\s"]+/g) || [];
  const tests = [];
  for (const token of tokens) {
    if (token.toLowerCase() === "and") continue;
    const match = /^("[^"]*"|[^\s"<>=!]+)\s*(<=|>=|!=|=|<|>)\s*(.+)$/s.exec(token);
    if (match) {
      const column = findColumn(match[1].replace(/^"(.*)"$/, "$1"), columns);
      const holds = parseCondition(match[2] + match[3], column);
      tests.push((row) => holds(column.cells[row]));
      continue;
    }
    if (/[<>=]/.test(token) && !token.startsWith('"')) throw new Error(`"${token}" is no condition: write name > value`);
    const word = token.replace(/^"(.*)"$/s, "$1").toLowerCase();
    const texts = columns.filter((c) => c.form === "text");
    tests.push((row) => texts.some((c) => c.cells[row] !== null && c.cells[row].toLowerCase().includes(word)));
  }
  return tests;
}

// Row numbers for which every test holds.
function filteredRows(count, tests) {
  const rows = [];
  for (let row = 0; row < count; row++) if (tests.every((holds) => holds(row))) rows.push(row);
  return rows;
}
