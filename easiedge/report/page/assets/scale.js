// From values to places, with ticks.

function niceTicks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  const many = Math.log10(high / low) > 2.5;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const m of many ? [1] : [1, 2, 5]) {
      const tick = Number((m * 10 ** power).toPrecision(6));
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  return ticks;
}

// Places values between two pixels; `whole` ticks only whole numbers, `zero` begins at zero.
function makeScale(axis, values, from, to, options = {}) {
  const within = (v) => Math.min(Math.max(v, axis.least ?? -Infinity), axis.most ?? Infinity);
  const finite = values.filter((v) => Number.isFinite(v) && (!axis.log || v > 0)).map(within);
  let low = finite.length ? Math.min(...extremes(finite)) : axis.log ? 0.1 : 0;
  let high = finite.length ? Math.max(...extremes(finite)) : 1;
  if (options.zero) low = Math.min(low, 0);
  const count = Math.max(2, Math.floor(Math.abs(to - from) / (options.apart || 60)));
  if (axis.log) {
    const margin = (high / low) ** 0.06 || 1.2;
    low /= Math.max(margin, 1.05);
    high *= Math.max(margin, 1.05);
    const place = (v) => (v > 0 ? from + ((Math.log(v) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (to - from) : NaN);
    return { place, ticks: logTicks(low, high).map((v) => ({ at: place(v), text: tickText(v, axis) })) };
  }
  if (high === low) {
    const pad = Math.abs(low) * 0.05 || 0.5;
    low -= options.zero ? 0 : pad;
    high += pad;
  }
  const margin = 0.05 * (high - low);
  low -= options.zero && low === 0 ? 0 : margin;
  high += margin;
  const place = (v) => from + ((v - low) / (high - low)) * (to - from);
  let ticks = niceTicks(low, high, count);
  if (axis.form === "whole") ticks = ticks.filter(Number.isInteger);
  return { place, ticks: ticks.map((v) => ({ at: place(v), text: tickText(v, axis) })) };
}

function extremes(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

function tickText(value, axis) {
  return withMinus(shortNumber(Number((axis.form === "percent" ? 100 * value : value).toPrecision(8))));
}
