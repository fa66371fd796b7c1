// The loss curves: one panel for each loss asked for, any set of runs, coloured by a parameter.
"use strict";

const X_AXES = {
  evaluation: { column: EVALUATION, title: "evaluations" },
  seconds: { column: SECONDS, title: "seconds" },
  row: { column: ROW, title: "accepted steps" },
};

const curves = {
  what: "total", x: "evaluation", logX: false, logY: true, relative: false, plots: [],
};

const tip = el("div", { class: "tip", role: "status", hidden: true });
const TERMS = ["content", "style", "tv"];
const layers = report.losses.filter((name) => /^(content|style)_/.test(name));
const withHistory = () => shown.filter((run) => run.history);

function lossesAsked() {
  if (curves.what === "terms") return TERMS.filter((name) => report.losses.includes(name));
  if (curves.what === "layers") return layers;
  return [curves.what];
}

function lineOf(run, loss) {
  const y = run.history[FIRST_LOSS + report.losses.indexOf(loss)];
  const largest = Math.max(...y); // the start, most often; a content loss may start at 0
  return {
    run, colour: colourOf(run), x: run.history[X_AXES[curves.x].column],
    y: curves.relative ? y.map((value) => (value === null ? null : value / largest)) : y,
  };
}

function fillPlots() {
  const xTitle = X_AXES[curves.x].title;
  for (const { loss, plot } of curves.plots) {
    const lines = withHistory().filter((run) => run.history[FIRST_LOSS + report.losses.indexOf(loss)])
      .map((run) => lineOf(run, loss));
    plot.show(lines, curves.logX, curves.logY, xTitle);
  }
  const without = shown.length - withHistory().length;
  $("curves-note").textContent = [
    without ? `${plural(without, "shown run")} without a loss history.` : "",
    "Losses are weighted, as the optimiser sees them, so with different weights compare their",
    "shapes, or losses relative to the largest.", report.decimation ?? "",
  ].filter(Boolean).join(" ");
}

function makePlots() {
  curves.plots = lossesAsked().map((loss) => ({
    loss, plot: new Plot(lossTitle(loss), X_AXES[curves.x].title, { pointed, chosen: (run) => pick(run) }),
  }));
  const panels = $("panels");
  panels.classList.toggle("one", curves.plots.length === 1);
  panels.replaceChildren(...curves.plots.map(({ plot }) => plot.node));
  fillPlots();
}

function pointed(plot, line, point) {
  plot.point = point;
  hover(line?.run ?? null);
  plot.drawAbove();
  if (!line) { tip.hidden = true; return; }
  const { loss } = curves.plots.find((one) => one.plot === plot);
  const value = line.y[point];
  tip.replaceChildren(...(line.run.thumb ? [el("img", { src: jpeg(line.run.thumb), alt: "" })] : []),
    el("div", {}, el("b", {}, number(value, 5)), curves.relative ? " of its largest" : "", el("br"),
      `${lossTitle(loss)} at ${number(line.x[point], 5)} ${X_AXES[curves.x].title}`, el("br"),
      describe(line.run)));
  tip.hidden = false;
  plot.box.append(tip);
  const x = plot.left(line.x[point]), y = plot.top(value);
  const flip = x > plot.width / 2;
  tip.style.left = flip ? "" : `${x + 14}px`;
  tip.style.right = flip ? `${plot.width - x + 14}px` : "";
  tip.style.top = `${Math.max(0, Math.min(y - 20, plot.height - tip.offsetHeight))}px`;
}

function rampKey(parameter) {
  const canvas = el("canvas", { width: 200, height: 8, role: "img", "aria-label": "colour scale" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 200; x++) {
    context.fillStyle = ramp(x / 199);
    context.fillRect(x, 0, 1, 8);
  }
  return [label(parameter, 0), canvas, label(parameter, parameter.values.length - 1),
    el("span", { class: "note" }, "(in order)")];
}

function drawLegend() {
  const parameter = state.colour;
  if (!parameter) { $("legend").replaceChildren(); return; }
  const each = parameter.values.map((_, value) => {
    const swatch = el("i");
    swatch.style.background = colourOfValue(parameter, value);
    const pickThese = () => {
      const these = withHistory().filter((run) => valueOf(run, parameter) === value);
      const all = these.every((run) => state.picked.has(run));
      these.forEach((run) => (all ? state.picked.delete(run) : state.picked.add(run)));
      tell("picked");
    };
    return el("button", { type: "button", title: "pick these runs", onclick: pickThese },
      swatch, label(parameter, value));
  });
  $("legend").replaceChildren(el("span", { class: "note" }, words(parameter.name)),
    ...(parameter.values.length <= 12 ? each : rampKey(parameter)));
}

function check(text, name) {
  return el("label", { class: "check" }, el("input", {
    type: "checkbox", checked: curves[name], id: `curves-${name}`,
    onchange: (event) => { curves[name] = event.target.checked; fillPlots(); },
  }), text);
}

function whatControl() {
  const pairsOf = (names) => names.map((name) => el("option", { value: name }, lossTitle(name)));
  return el("select", {
    id: "curves-what", onchange: (event) => { curves.what = event.target.value; makePlots(); },
  }, ...pairsOf(["total"]), el("option", { value: "terms" }, "every term, side by side"),
  layers.length ? el("option", { value: "layers" }, "every layer, side by side") : null,
  el("optgroup", { label: "one term" }, ...pairsOf(TERMS)),
  layers.length ? el("optgroup", { label: "one layer" }, ...pairsOf(layers)) : null);
}

function startCurves() {
  const x = options(el("select", {
    id: "curves-x", onchange: (event) => { curves.x = event.target.value; fillPlots(); },
  }), Object.entries(X_AXES).map(([name, axis]) => [name, axis.title]), curves.x);
  const colour = options(el("select", {
    id: "curves-colour",
    onchange: (event) => { state.colour = report.parameters[event.target.value] ?? null; tell("colour"); },
  }), [["", "nothing"], ...report.parameters.map((one) => [one.index, words(one.name)])],
  state.colour?.index ?? "");
  $("curves-controls").replaceChildren(labelled("loss", whatControl()), labelled("by", x),
    ...(report.parameters.length ? [labelled("coloured by", colour)] : []),
    check("logarithmic losses", "logY"), check("logarithmic axis", "logX"),
    check("relative to the largest", "relative"));
  on("shown", fillPlots);
  for (const what of ["colour", "theme"]) on(what, () => { fillPlots(); drawLegend(); });
  on("picked", () => curves.plots.forEach(({ plot }) => plot.draw()));
  on("hovered", () => curves.plots.forEach(({ plot }) => {
    if (!plot.box.contains(tip)) plot.point = undefined;
    plot.drawAbove();
  }));
  drawLegend();
  makePlots();
}
