// Theme, charts and table, once the page is there.

function startTheme(button) {
  const names = { auto: "as the system", light: "light", dark: "dark" };
  const order = Object.keys(names);
  let theme = "auto";
  try {
    theme = localStorage.getItem("easiedge-theme") || "auto";
  } catch {
    // a page from a file may have no storage
  }
  const set = (name) => {
    theme = order.includes(name) ? name : "auto";
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Colours: ${names[theme]}`;
    try {
      localStorage.setItem("easiedge-theme", theme);
    } catch {
      // then it holds for this visit
    }
  };
  button.hidden = false;
  button.addEventListener("click", () => set(order[(order.indexOf(theme) + 1) % order.length]));
  set(theme);
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  startTheme(document.getElementById("theme"));
  for (const figure of document.querySelectorAll("figure[data-chart]")) showChart(figure, data.charts[figure.dataset.chart]);
  for (const host of document.querySelectorAll("[data-details]")) startDetails(host, data.sections[host.dataset.details]);
  const table = document.getElementById("runs");
  if (table) startTable(table, data.table);
}

if (typeof document !== "undefined") start();
