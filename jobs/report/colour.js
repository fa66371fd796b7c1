// Colours that tell runs apart for colour-blind eyes, too, in light and in dark: Okabe and Ito's
// for kinds, and a ramp like viridis, without the end that vanishes in the paper, for amounts.
// The same numbers stand in palette.c.
"use strict";

const KINDS = {
  light: ["#0072b2", "#d55e00", "#00855f", "#b0528f", "#8a6d00", "#3d8fbf", "#4d4d4d"],
  dark: ["#56b4e9", "#e69f00", "#2fbf91", "#d58abb", "#f0e442", "#ef7a3a", "#cccccc"],
};
const RAMP = {
  light: ["#440154", "#433c84", "#2f678e", "#21908d", "#35a968", "#8fb824"],
  dark: ["#7a6fd0", "#5d8fd0", "#3fa9b5", "#4cc48a", "#9fd746", "#fde725"],
};

// Whether the page is dark at the moment: as chosen, else as the system is.
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
function theme() {
  return document.documentElement.dataset.theme || (darkSystem.matches ? "dark" : "light");
}

// A colour of the style sheet by name, as the canvas understands it.
function ink(name) {
  const probe = $("tally");
  probe.style.color = `var(--${name})`;
  const colour = getComputedStyle(probe).color;
  probe.style.color = "";
  return colour;
}

function mix(a, b, share) {
  const channel = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => Math.round(channel(a, i) * (1 - share) + channel(b, i) * share));
  return `rgb(${mixed.join(" ")})`;
}

function ramp(share) {
  const stops = RAMP[theme()];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(at), stops.length - 2);
  return mix(stops[below], stops[below + 1], at - below);
}

// Few kinds get a colour each; amounts, and more kinds than there are colours, lie on the ramp.
const onRamp = (parameter) =>
  parameter.numbers ? parameter.values.length > 2 : parameter.values.length > KINDS.light.length;

function colourOfValue(parameter, value) {
  if (onRamp(parameter)) return ramp(value / Math.max(1, parameter.values.length - 1));
  return KINDS[theme()][value % KINDS.light.length];
}

function colourOf(run) {
  const parameter = state.colour;
  return parameter ? colourOfValue(parameter, valueOf(run, parameter)) : KINDS[theme()][0];
}
