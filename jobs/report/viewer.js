// One run at full size, beside its content and style pictures; arrow keys go on to the next.
"use strict";

let viewed = null, viewedOrder = [];
let viewedSource = null; // "content" or "style" while that is shown in the place of the result

function source(run, name) {
  const picture = report.pictures[run[name]];
  if (!picture) return null;
  const instead = () => {
    viewedSource = viewedSource === name ? null : name;
    drawViewer();
    $(`see-${name}`).focus();
  };
  return el("figure", {},
    picture.thumb ? el("button", {
      type: "button", id: `see-${name}`, "aria-pressed": viewedSource === name, onclick: instead,
      title: `see the ${name} picture in the place of the result`,
    }, el("img", { src: jpeg(picture.thumb), alt: `${name}: ${picture.label}` }))
      : el("p", { class: "note" }, "cannot be read"),
    el("figcaption", {}, `${name}: ${picture.label}`));
}

function pairs(list) {
  return el("dl", {}, ...list.filter(([, text]) => text !== null && text !== undefined && text !== "")
    .flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

function command(text) {
  const copy = el("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(copy.previousSibling);
        copy.textContent = "selected";
      }
    },
  }, "copy");
  return el("div", { class: "command" }, el("code", {}, text), copy);
}

function runFacts(run) {
  const last = run.final ?? [];
  return pairs([
    ...report.parameters.map((parameter) => [words(parameter.name),
      parameter.pictures ? label(parameter, valueOf(run, parameter))
        : parameter.values[valueOf(run, parameter)]]),
    ["status", STATUSES[run.status]],
    ["reason", run.error?.message],
    ...report.losses.map((name, i) => [lossTitle(name), last[i] == null ? null : number(last[i], 6)]),
    ["ended", run.stopped],
    ["note", run.comment],
    ["evaluations", run.evaluations],
    ["time", run.seconds == null ? null : duration(run.seconds)],
    ["predicted", run.predicted_seconds == null ? null : duration(run.predicted_seconds)],
    ["peak memory", run.peak_memory_bytes == null ? null : bytes(run.peak_memory_bytes)],
    ["host", run.host],
    ["attempts", run.attempts],
    ["name", run.name],
    ["id", el("code", {}, run.id)],
    ["picture's SHA-256", run.picture_sha256 ? el("code", {}, run.picture_sha256) : null],
  ]);
}

// A page that was moved away from its store still has the small picture.
function stage(run) {
  if (viewedSource) return el("div", { class: "stage" },
    el("img", { class: "small", src: jpeg(report.pictures[run[viewedSource]].thumb), alt: viewedSource }));
  const full = fullPicture(run);
  if (!full && !run.thumb) return el("div", { class: "stage" },
    el("div", { class: "absent" }, ...whyAbsent(run)));
  const image = el("img", {
    src: full ?? jpeg(run.thumb), alt: describe(run), id: "full",
    onclick: () => place.classList.toggle("actual"),
    onerror: () => {
      if (!run.thumb || image.className) return;
      image.className = "small";
      image.src = jpeg(run.thumb);
      place.append(el("p", { class: "note" }, "This is the small copy: the full picture ",
        el("code", {}, run.picture), " is not beside this page."));
    },
  });
  const place = el("div", { class: "stage" }, image);
  return place;
}

function files(run) {
  if (run.status !== "done") return null;
  const beside = `jobs/${run.id.slice(0, 2)}/${run.id}`;
  return el("p", {}, el("a", { href: address(`${beside}.h5`) }, "result (.h5)"), " · ",
    el("a", { href: address(`${beside}.log`) }, "log"));
}

function drawViewer() {
  const run = viewed;
  const box = pickBox(run);
  $("viewer").replaceChildren(el("div", { class: "viewer" },
    el("header", {},
      el("h2", { id: "viewer-title" }, describe(run)),
      el("label", { class: "check" }, box, " picked"),
      el("button", { type: "button", id: "previous", onclick: () => step(-1) }, "← previous"),
      el("button", { type: "button", id: "next", autofocus: true, onclick: () => step(1) }, "next →"),
      el("button", { type: "button", id: "close", onclick: () => $("viewer").close() }, "close")),
    stage(run),
    el("div", { class: "side" },
      el("div", { class: "sources" }, source(run, "content"), source(run, "style")),
      runFacts(run), files(run),
      run.command_line ? el("p", { class: "note" }, "The command that renders it:") : null,
      run.command_line ? command(run.command_line) : null)));
}

function step(by) {
  const at = viewedOrder.indexOf(viewed), count = viewedOrder.length;
  viewed = viewedOrder[(at + by + count) % count];
  viewedSource = null;
  hover(viewed);
  drawViewer();
  $(by < 0 ? "previous" : "next").focus();
}

function openViewer(run, order) {
  viewed = run;
  viewedSource = null;
  viewedOrder = order.includes(run) ? order : [run];
  drawViewer();
  $("viewer").showModal();
}

function startViewer() {
  const viewer = $("viewer");
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("close", () => { viewer.replaceChildren(); hover(null); });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    event.preventDefault();
  });
}
