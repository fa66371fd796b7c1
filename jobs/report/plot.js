// A line plot on two canvases: the lines, drawn when something changes, and on top of them what
// follows the pointer. Each line is {run, x[], y[], colour}; values that are null, or not above 0
// on a logarithmic axis, are gaps.
"use strict";

const MARGIN = { left: 62, right: 14, top: 10, bottom: 34 };

// Round numbers from low to high, about `count` of them.
function linearTicks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const decades = last - first;
  const factors = decades <= 2 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / count));
  const ticks = [];
  for (let exponent = first; exponent <= last; exponent += stride)
    for (const factor of factors) {
      const tick = factor * 10 ** exponent;
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  return ticks.length > 1 ? ticks : linearTicks(low, high, count);
}

// From values to 0..1 and back; the range of all lines with a little air.
function scaleOf(lines, axis, log) {
  let low = Infinity, high = -Infinity;
  for (const line of lines)
    for (const value of line[axis]) {
      if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  if (low > high) [low, high] = [log ? 0.1 : 0, 1];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
  const bend = log ? Math.log10 : (value) => value;
  const air = axis === "y" ? 0.04 * (bend(high) - bend(low)) : 0;
  const from = bend(low) - air, to = bend(high) + air;
  const straighten = (v) => (log ? 10 ** v : v);
  return {
    log, low: straighten(from), high: straighten(to),
    at: (value) => (value === null || (log && value <= 0) ? NaN : (bend(value) - from) / (to - from)),
  };
}

class Plot {
  // title: what y is; pointed(plot, run, point) is told what is under the pointer.
  constructor(title, xTitle, { pointed, chosen }) {
    this.lines = [];
    this.xTitle = xTitle;
    this.below = el("canvas");
    this.above = el("canvas");
    this.box = el("div", {
      class: "plot", tabindex: 0, role: "application",
      "aria-label": `${title} by ${xTitle}; arrow keys walk along and between the curves`,
    }, this.below, this.above);
    this.node = el("div", { class: "panel" }, el("p", { class: "name" }, title), this.box);
    this.box.addEventListener("pointermove", (event) => pointed(this, ...this.nearest(event)));
    this.box.addEventListener("pointerleave", () => pointed(this, null));
    this.box.addEventListener("click", (event) => {
      const [line] = this.nearest(event);
      if (line) chosen(line.run);
    });
    this.box.addEventListener("keydown", (event) => this.walk(event, pointed, chosen));
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  show(lines, logX, logY, xTitle) {
    this.lines = lines;
    this.xTitle = xTitle;
    this.x = scaleOf(lines, "x", logX);
    this.y = scaleOf(lines, "y", logY);
    this.draw();
  }

  left(value) { return MARGIN.left + this.x.at(value) * (this.width - MARGIN.left - MARGIN.right); }

  top(value) {
    return this.height - MARGIN.bottom
      - this.y.at(value) * (this.height - MARGIN.top - MARGIN.bottom);
  }

  // Fits a canvas to its box, in the screen's pixels, and clears it.
  context(canvas) {
    const density = devicePixelRatio || 1;
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    canvas.width = Math.round(this.width * density);
    canvas.height = Math.round(this.height * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    context.lineJoin = "round";
    return context;
  }

  drawAxes(context) {
    const right = this.width - MARGIN.right, bottom = this.height - MARGIN.bottom;
    const ticks = (scale, count) =>
      (scale.log ? logTicks : linearTicks)(scale.low, scale.high, Math.max(2, Math.floor(count)));
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = ink("soft");
    context.strokeStyle = ink("line");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of ticks(this.y, this.height / 55)) {
      const y = Math.round(this.top(tick)) + 0.5;
      context.beginPath(); context.moveTo(MARGIN.left, y); context.lineTo(right, y); context.stroke();
      context.fillText(number(tick), MARGIN.left - 8, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const titleFrom = right - context.measureText(this.xTitle).width - 24;
    for (const tick of ticks(this.x, this.width / 90)) {
      const x = this.left(tick), text = number(tick);
      if (x + context.measureText(text).width / 2 < titleFrom) context.fillText(text, x, bottom + 8);
      context.beginPath(); context.moveTo(x, bottom); context.lineTo(x, bottom + 4); context.stroke();
    }
    context.textAlign = "right";
    context.fillStyle = ink("ink");
    context.fillText(this.xTitle, right, bottom + 8);
    context.beginPath(); context.moveTo(MARGIN.left, bottom + .5); context.lineTo(right, bottom + .5); context.stroke();
  }

  trace(context, line) {
    let pen = false;
    context.beginPath();
    for (let i = 0; i < line.x.length; i++) {
      const x = this.left(line.x[i]), y = this.top(line.y[i]);
      if (Number.isNaN(x) || Number.isNaN(y)) { pen = false; continue; }
      if (pen) context.lineTo(x, y);
      else { context.moveTo(x, y); context.arc(x, y, 0.4, 0, 7); context.moveTo(x, y); }
      pen = true;
    }
    context.stroke();
  }

  draw() {
    if (!this.x || !this.box.clientWidth) return;
    const context = this.context(this.below);
    this.drawAxes(context);
    const some = this.lines.some((line) => state.picked.has(line.run));
    const calm = this.lines.length > 60 ? 0.55 : 0.9;
    const ordered = some ? [...this.lines].sort((a, b) =>
      state.picked.has(a.run) - state.picked.has(b.run)) : this.lines;
    for (const line of ordered) {
      const picked = state.picked.has(line.run);
      context.globalAlpha = picked ? 1 : some ? 0.16 : calm;
      context.lineWidth = picked ? 2.6 : 1.4;
      context.strokeStyle = line.colour;
      this.trace(context, line);
    }
    this.drawAbove();
  }

  // The hovered run's line and, where the pointer is, its point.
  drawAbove() {
    if (!this.x || !this.box.clientWidth) return;
    const context = this.context(this.above);
    const line = this.lines.find((one) => one.run === state.hovered);
    if (!line) return;
    context.strokeStyle = ink("paper");
    context.lineWidth = 6;
    this.trace(context, line);
    context.strokeStyle = line.colour;
    context.lineWidth = 3;
    this.trace(context, line);
    if (this.point === undefined || line.y[this.point] == null) return;
    context.fillStyle = line.colour;
    context.strokeStyle = ink("paper");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(this.left(line.x[this.point]), this.top(line.y[this.point]), 5.5, 0, 7);
    context.fill();
    context.stroke();
  }

  // The line nearest to the pointer, within 40 px, and its nearest point: [line, index] or [null].
  nearest(event) {
    const box = this.box.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top;
    let best = 40 ** 2, found = [null];
    for (const line of this.lines) {
      let x0 = NaN, y0 = NaN;
      for (let i = 0; i < line.x.length; i++) {
        const x = this.left(line.x[i]), y = this.top(line.y[i]);
        const near = Math.min((x - px) ** 2 + (y - py) ** 2, squaredToSegment(px, py, x0, y0, x, y));
        if (near < best) {
          best = near;
          found = [line, i > 0 && Math.abs(x0 - px) < Math.abs(x - px) ? i - 1 : i];
        }
        [x0, y0] = [x, y];
      }
    }
    return found;
  }

  walk(event, pointed, chosen) {
    const ordered = [...this.lines].sort((a, b) => (a.y.at(-1) ?? 0) - (b.y.at(-1) ?? 0));
    if (!ordered.length) return;
    let at = ordered.findIndex((line) => line.run === state.hovered);
    const line = ordered[at];
    let point = this.point ?? 0;
    if (event.key === "ArrowUp") at += 1;
    else if (event.key === "ArrowDown") at -= at < 0 ? 0 : 1;
    else if (event.key === "ArrowRight") point += 1;
    else if (event.key === "ArrowLeft") point -= 1;
    else if (event.key === "Enter" && line) { chosen(line.run); return; }
    else return;
    event.preventDefault();
    const to = ordered[Math.min(Math.max(at, 0), ordered.length - 1)];
    pointed(this, to, Math.min(Math.max(point, 0), to.x.length - 1));
  }
}

function squaredToSegment(px, py, x0, y0, x1, y1) {
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  if (!(length > 0)) return Infinity;
  const share = Math.min(Math.max(((px - x0) * dx + (py - y0) * dy) / length, 0), 1);
  return (x0 + share * dx - px) ** 2 + (y0 + share * dy - py) ** 2;
}
