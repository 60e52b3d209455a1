// Run by test_scripts.py under node: the table's logic without a document.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const folder = process.argv[2];
const context = vm.createContext({ Intl });
for (const name of ["format.js", "table_model.js", "scale.js"]) vm.runInContext(fs.readFileSync(path.join(folder, name), "utf8"), context);
const { decodeColumns, sortedRows, parseCondition, parseQuery, filteredRows, formatted, niceTicks, logTicks, makeScale } = context;

const columns = decodeColumns([
  { name: "run", title: "run", form: "text", levels: ["a/10", "a/9", "<b>&\"'"], cells: [0, 1, 2, null] },
  { name: "macs_removed", title: "MACs removed", form: "percent", cells: [0.5, 0.25, null, 0.7] },
  { name: "scope", title: "scope", form: "text", levels: ["global", "layerwise"], cells: [0, 1, 0, null] },
  { name: "recipe.finetune.epochs", title: "recipe.finetune.epochs", form: "number", cells: [1, 20, 3, 1e-3], config: true, usual: 1 },
  { name: "recipe.admm.epochs", title: "recipe.admm.epochs", form: "number", cells: [1, 1, 1, 1] },
]);
const all = [0, 1, 2, 3];
const plain = (values) => [...values];
const query = (text) => plain(filteredRows(4, parseQuery(text, columns)));

assert.equal(columns[0].cells[2], "<b>&\"'");
assert.deepEqual(plain(sortedRows(all, columns[1], false)), [1, 0, 3, 2], "missing last when rising");
assert.deepEqual(plain(sortedRows(all, columns[1], true)), [3, 0, 1, 2], "missing last when falling");
assert.deepEqual(plain(sortedRows([0, 1], columns[0], false)), [1, 0], "9 before 10");
assert.deepEqual(plain(sortedRows(all, columns[4], true)), all, "equal rows keep their order");

assert.deepEqual(query(""), all);
assert.deepEqual(query("macs_removed > 0.5"), [3], "0.5 is not above 0.5");
assert.deepEqual(query("macs_removed>=50%"), [0, 3]);
assert.deepEqual(query("macs_removed > 0.2 and scope = global"), [0]);
assert.deepEqual(query("scope!=global"), [1, 3]);
assert.deepEqual(query("LAYER"), [1]);
assert.deepEqual(query("finetune.epochs <= 3"), [0, 2, 3]);
assert.deepEqual(query('run="a/9"'), [1]);
assert.deepEqual(query("a/1 global"), [0]);
assert.deepEqual(query("\"<b>\""), [2]);
assert.throws(() => query("nothing > 3"), /no column nothing/);
assert.throws(() => query("epochs = 1"), /several columns end in epochs/);
assert.throws(() => query("macs_removed > much"), /"much" is not a number/);
assert.throws(() => query("> 3"), /no condition/);

const holds = (text, column) => plain(all.filter((row) => parseCondition(text, columns[column])(columns[column].cells[row])));
assert.equal(parseCondition("  ", columns[1]), null);
assert.deepEqual(holds("0.2..0.5", 1), [0, 1]);
assert.deepEqual(holds("25%..50%", 1), [0, 1]);
assert.deepEqual(holds("20", 3), [1]);
assert.deepEqual(holds("1e-3", 3), [3]);
assert.deepEqual(holds("!= 1", 3), [1, 2, 3]);
assert.deepEqual(holds("= layerwise", 2), [1]);
assert.deepEqual(holds('="global"', 2), [0, 2]);
assert.throws(() => parseCondition("> global", columns[2]), /is text/);

assert.equal(formatted(0.12345, "percent"), "12.35");
assert.equal(formatted(-0.01, "percent"), "\u22121.00");
assert.equal(formatted(1234567, "whole"), "1,234,567");
assert.equal(formatted(0.0005, "number"), "5e-4");
assert.equal(formatted(null, "number"), "");

assert.deepEqual(plain(niceTicks(0, 1, 4)), [0, 0.25, 0.5, 0.75, 1]);
assert.deepEqual(plain(logTicks(0.09, 1.2)), [0.1, 0.2, 0.5, 1]);
const scale = makeScale({ form: "number" }, [2, 4, NaN], 0, 100);
assert.ok(Math.abs(scale.place(3) - 50) < 1e-9);
const level = makeScale({ form: "percent" }, [0.9], 0, 100);
assert.ok(Number.isFinite(level.place(0.9)), "one value has a place");
assert.ok(makeScale({ form: "number", log: true }, [0, 1, 10], 0, 100).place(10) <= 100, "zero is left out of decades");
assert.ok(Number.isFinite(makeScale({ form: "number" }, [], 0, 100).place(0.5)), "no value at all");
const bounded = makeScale({ form: "percent", least: 0, most: 1 }, [0.5, 1.8], 100, 0);
assert.ok(bounded.place(1) >= 0 && bounded.place(1.8) < 0, "what cannot be does not stretch the axis");
console.log("ok");
