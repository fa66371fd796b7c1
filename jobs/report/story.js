// What is told in words: the summary, the failures, how long it took and how it was made.
"use strict";

const count = (status) => runs.filter((run) => run.status === status).length;
const sum = (values) => values.reduce((total, value) => total + value, 0);
const known = (name) => runs.filter((run) => Number.isFinite(run[name]));

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function tellSummary() {
  document.title = `${report.title} · atelier report`;
  $("title").textContent = report.title;
  const parts = Object.keys(STATUSES).filter(count).map((status) => `${count(status)} ${STATUSES[status]}`);
  const axes = report.parameters.map((one) => `${words(one.name)} (${one.values.length})`);
  $("summary").textContent = `${plural(runs.length, "run")}: ${parts.join(", ")}.`
    + (axes.length ? ` Varied: ${axes.join(", ")}.` : "");
  $("tally").replaceChildren(...Object.keys(STATUSES).filter(count).map((status) => {
    const share = el("span", { class: status });
    share.style.flexGrow = count(status);
    return share;
  }));
  $("tally").setAttribute("aria-label", parts.join(", "));
  $("footer").textContent = `Made by ${report.creator} at ${report.made} from ${report.store}. `
    + "This page needs no network; the full pictures lie in the store's jobs folder.";
}

function attempt(one) {
  const facts = [one.host, one.started, one.seconds == null ? null : duration(one.seconds), one.end,
    one.exit_code > 0 ? `exit code ${one.exit_code}` : null,
    one.signal ? `signal ${one.signal}` : null,
    one.peak_memory_bytes ? bytes(one.peak_memory_bytes) : null, one.message];
  return el("li", {}, facts.filter(Boolean).join(", "));
}

function tellFailures() {
  const failed = runs.filter((run) => run.error);
  $("failures").hidden = $("to-failures").hidden = failed.length === 0;
  $("failure-list").replaceChildren(...failed.map((run) => {
    const { end, message, attempts = [], final } = run.error ?? {};
    return el("div", { class: "failure", "data-run": run.id },
      el("h3", {}, describe(run)),
      el("p", {}, el("b", {}, end ?? STATUSES[run.status]), message ? `: ${message}` : ""),
      final ? el("p", { class: "note" }, "Trying again will not help.") : null,
      attempts.length ? el("ol", { class: "note" }, ...attempts.map(attempt)) : null,
      run.command_line ? command(run.command_line) : null);
  }));
}

// Predicted against measured, both logarithmic: on the dashed line the plan was right.
function scatter(some) {
  const size = 320, left = 76, top = 16, inner = size - 96, bottom = top + inner;
  const times = some.flatMap((run) => [run.seconds, run.predicted_seconds]);
  const low = Math.min(...times) / 1.3, high = Math.max(...times) * 1.3;
  const at = (value) => Math.log(value / low) / Math.log(high / low) * inner;
  const ticks = logTicks(low, high, 3).filter((_, i, all) => i % Math.ceil(all.length / 3) === 0);
  return svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "scatter", role: "img",
    "aria-label": "predicted and measured time of each run" },
  ...ticks.flatMap((tick) => [
    svg("line", { x1: left, x2: left + inner, y1: bottom - at(tick), y2: bottom - at(tick) }),
    svg("text", { x: left - 6, y: bottom - at(tick) + 4, "text-anchor": "end" }, duration(tick)),
    svg("text", { x: left + at(tick), y: bottom + 18, "text-anchor": "middle" }, duration(tick))]),
  svg("line", { class: "even", x1: left, y1: bottom, x2: left + inner, y2: top }),
  svg("text", { x: left + inner, y: bottom + 36, "text-anchor": "end" }, "predicted"),
  svg("text", { x: left, y: top - 1, "text-anchor": "start" }, "measured"),
  ...some.map((run) => svg("circle", { r: 4, cx: left + at(run.predicted_seconds),
    cy: bottom - at(run.seconds) }, svg("title", {}, describe(run)))));
}

function tellTime() {
  const timed = known("seconds");
  const begun = runs.map((run) => run.date_started).filter(Boolean).sort();
  const ended = runs.map((run) => run.date_finished).filter(Boolean).sort();
  const wall = begun.length && ended.length ? (Date.parse(ended.at(-1)) - Date.parse(begun[0])) / 1000 : null;
  const facts = timed.length ? [
    ["rendering, all runs", duration(sum(timed.map((run) => run.seconds)))],
    ["from first start to last end", wall === null ? null : duration(wall)],
    ["a run, median", duration(median(timed.map((run) => run.seconds)))],
    ["an evaluation, median", duration(median(timed.map((run) => run.seconds / Math.max(1, run.evaluations))))],
    ["most memory of a run", known("peak_memory_bytes").length
      ? bytes(Math.max(...known("peak_memory_bytes").map((run) => run.peak_memory_bytes))) : null],
    ["more than one attempt", known("attempts").filter((run) => run.attempts > 1).length || null],
  ] : [["rendering", "nothing is done yet"]];
  const planned = timed.filter((run) => run.seconds > 0 && run.predicted_seconds > 0);
  const ratios = planned.map((run) => run.seconds / run.predicted_seconds);
  const total = sum(planned.map((run) => run.seconds)), promised = sum(planned.map((run) => run.predicted_seconds));
  const within = ratios.filter((ratio) => ratio <= 1.25 && ratio >= 0.8).length;
  $("time-body").replaceChildren(
    el("div", {}, pairs(facts)),
    el("div", {}, el("h3", {}, "How well the plan predicted it"), ...(planned.length ? [
      el("p", {}, `The plan said ${duration(promised)} for ${plural(planned.length, "run")}; they took `
        + `${duration(total)}, ${number(total / promised, 3)} times that. ${within} of `
        + `${planned.length} came within a quarter of their prediction.`), scatter(planned)]
      : [el("p", { class: "note" }, "No prediction was recorded with these runs.")])));
}

function tellProvenance() {
  const constants = report.constants.map(({ name, value }) => [words(name), value]);
  const facts = report.facts.flatMap(({ name, values }) => values.map(({ value, runs: of }, i) =>
    [i ? "" : words(name), el("span", {}, value, values.length > 1 ? ` (${plural(of, "run")})` : "")]));
  const inputs = report.pictures.map((picture) => [picture.label, el("span", {}, picture.path,
    picture.sha256 ? el("br") : "", picture.sha256 ? el("code", {}, picture.sha256) : "")]);
  $("provenance-body").replaceChildren(
    el("div", {}, el("h3", {}, "The same for every run"), pairs(constants)),
    el("div", {}, el("h3", {}, "Hosts, versions, digests"), pairs(facts),
      el("h3", {}, "Pictures that went in"), pairs(inputs)));
}
