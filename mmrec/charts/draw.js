// Draws the figures of the page with Vega-Embed in the colours of its style sheet, and again when the system changes its colour scheme.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

  function config(isNarrow) {
    const [page, ink, muted, rule] = ["--page", "--ink", "--muted", "--rule"].map(colour);
    const small = isNarrow ? 10 : 11;
    return {
      background: page,
      font: FONT,
      padding: {left: 2, right: 8, top: 2, bottom: 2},
      view: {stroke: null},
      range: {category: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => colour("--c" + i))},
      title: {color: ink, fontSize: 12.5, fontWeight: 500, anchor: "start", frame: "bounds", offset: 8},
      axis: {
        labelColor: muted, titleColor: muted, titleFontWeight: 400, titleFontSize: small + 1, labelFontSize: small,
        gridColor: rule, domainColor: rule, tickColor: rule, labelPadding: 5,
      },
      axisDiscrete: {labelColor: ink, grid: false},
      legend: {
        orient: "top", title: null, labelColor: ink, labelFontSize: small + 1, symbolType: "square", symbolSize: 110, symbolStrokeWidth: 1,
        columnPadding: 14, rowPadding: 3, labelLimit: 260, offset: 8,
      },
      line: {strokeWidth: 1.8},
      rule: {color: ink},
      text: {color: ink, fontSize: small},
      style: {
        whisker: {stroke: ink, strokeWidth: 1, opacity: 0.75},
        zero: {stroke: muted, strokeWidth: 1.4},
        due: {color: ink, stroke: ink},
        onfill: {color: colour("--on-fill"), fill: colour("--on-fill"), fontWeight: 600},
        own: {color: colour("--c0")},
        other: {color: muted},
        front: {color: colour("--c0"), fill: colour("--c0"), stroke: page},
        beaten: {color: muted, stroke: muted, fill: page},
        strong: {fill: ink, fontSize: small + 0.5},
        beside: {fill: ink, fontSize: small + 0.5},
      },
    };
  }

  const ANCHORS = ["right", "left", "top", "bottom", "top-right", "bottom-right", "top-left", "bottom-left"];
  const DISTANCES = [6, 9, 12, 18, 26];

  // Vega-Lite does not place labels next to points, but Vega does. Labels without room only appear in tooltips.
  function placeNames(spec) {
    const visit = (marks, others) => {
      for (const mark of marks) {
        if (mark.marks) visit(mark.marks, others);
        else if (mark.type === "symbol" || mark.type === "line") others.push(mark.name);
        else if (mark.type === "text" && [].concat(mark.style || []).includes("beside")) {
          mark.transform = [{
            type: "label", size: {signal: "[max(width, 1), max(height, 1)]"}, avoidMarks: others, padding: 0, sort: {field: "datum.is_filled", order: "descending"},
            anchor: DISTANCES.flatMap(() => ANCHORS), offset: DISTANCES.flatMap((distance) => ANCHORS.map(() => distance)),
          }];
        }
      }
    };
    visit(spec.marks, []);
    return spec;
  }

  async function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const drawing = figure.querySelector(".drawing");
    for (const parameter of spec.params || []) {
      if (parameter.name === "width_of_the_place") parameter.value = figure.clientWidth - 20;
      else if (parameter.name.startsWith("colour_")) parameter.value = colour("--" + parameter.name.slice(7));
    }
    figure.dataset.drawn = "yes";
    if (figure.view) figure.view.finalize();
    figure.view = await window.vegaEmbed(drawing, spec, {
      mode: "vega-lite",
      renderer: "svg",
      ast: true, // expressions are interpreted, so that the page's policy need not allow eval
      config: config(figure.clientWidth < 420),
      patch: placeNames,
      tooltip: {theme: dark.matches ? "dark" : "light"},
      actions: {export: {png: true, svg: true}, source: false, compiled: false, editor: false},
      scaleFactor: {png: 2, svg: 1},
      downloadFileName: (spec.description || "chart").replace(/[^\w@.+-]+/g, "-").slice(0, 80),
    });
  }

  const isHidden = (figure) => figure.closest("details:not([open])") !== null;

  async function drawAll(figures) {
    for (const figure of figures) {
      if (!isHidden(figure)) await draw(figure);
    }
  }

  const figures = [...document.querySelectorAll("figure.chart")];
  document.addEventListener("toggle", (event) => drawAll([...event.target.querySelectorAll("figure.chart:not([data-drawn])")]), true);
  dark.addEventListener("change", () => {
    for (const figure of figures) delete figure.dataset.drawn;
    drawAll(figures);
  });
  drawAll(figures);
})();
