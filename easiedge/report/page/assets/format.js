// Figures as text; shares are shown as per cent.

function formatted(value, form) {
  if (value === null || value === undefined || value === "") return "";
  if (form === "text") return String(value);
  if (form === "percent") return withMinus((100 * value).toFixed(2));
  if (form === "whole") return withMinus(value.toLocaleString("en-US"));
  return withMinus(shortNumber(value));
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(3).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(6)));
}

function withMinus(text) {
  return text.replace(/^-/, "\u2212");
}
