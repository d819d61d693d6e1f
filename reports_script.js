// Draws each chart when it comes near the screen, in the colours of the reader's system.
(function () {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const swap = JSON.parse(document.getElementById("swap").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const colours = new RegExp(Object.keys(swap).map(literal).join("|"), "g");
  const places = Array.from(document.querySelectorAll(".chart[data-figure]"));
  let printing = false;

  function inTheme(figure) {
    if (!dark.matches || printing) return figure;
    return JSON.parse(JSON.stringify(figure).replace(colours, (colour) => swap[colour]));
  }

  function draw(place) {
    const figure = inTheme(figures[place.dataset.figure]);
    const options = {
      displaylogo: false,
      responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { filename: place.dataset.figure, scale: 2 },
    };
    Plotly.react(place, figure.data, figure.layout, options);
    place.dataset.drawn = "yes";
  }

  const redraw = (every) => places.filter((p) => every || p.dataset.drawn).forEach(draw);
  const watcher = new IntersectionObserver(
    (entries) =>
      entries
        .filter((entry) => entry.isIntersecting)
        .forEach((entry) => {
          watcher.unobserve(entry.target);
          draw(entry.target);
        }),
    { rootMargin: "800px" }
  );
  places.forEach((place) => watcher.observe(place));
  dark.addEventListener("change", () => redraw(false));
  window.addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details").forEach((fold) => (fold.open = true));
    redraw(true);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    redraw(false);
  });
})();
