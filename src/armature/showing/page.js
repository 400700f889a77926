"use strict";
const $ = (id) => document.getElementById(id);
const { title, skeleton, sizes, pictures } = window.DATA;
const K = skeleton.keypoints.length, SVG = "http://www.w3.org/2000/svg";
const FILTERS = ["name", "split", "people", "size", "keypoint", "problem", "order"];
const off = new Set();                    // keypoints that are not drawn
let chosen = [], at = 0, columns = 1, cell = 240;

// ------------------------------------------------------------------ what is known of a picture

const labelled = (person, k) => person.points[3 * k + 2] > 0;
const kinds = (area) => (area < sizes[0] ** 2 ? "small" : area < sizes[1] ** 2 ? "medium" : "large");
for (const [index, picture] of pictures.entries()) {
  picture.index = index;
  picture.problems ||= [];
  picture.own = picture.people.filter((person) => !person.crowd);
  picture.search = `${picture.name} ${picture.id}`.toLowerCase();
}

// ------------------------------------------------------------------ filters

function options(id, entries) {
  $(id).replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

function counted(test) {
  const found = pictures.filter(test).length;
  return `(${found.toLocaleString("en")})`;
}

function offer() {
  const splits = [...new Set(pictures.map((p) => p.split))];
  options("split", [["", "all"], ...splits.map((s) => [s, `${s} ${counted((p) => p.split === s)}`])]);
  const most = Math.max(0, ...pictures.map((p) => p.own.length)), numbers = [];
  for (let n = 0; n <= Math.min(most, 4); n++) numbers.push([String(n), `${n} ${counted((p) => p.own.length === n)}`]);
  if (most > 4) numbers.push(["5+", `5 or more ${counted((p) => p.own.length > 4)}`]);
  numbers.push(["crowd", `with a crowd ${counted((p) => p.people.length > p.own.length)}`]);
  options("people", [["", "any number"], ...numbers]);
  const words = { small: `small, under ${sizes[0]} x ${sizes[0]} px`, medium: "medium", large: `large, from ${sizes[1]} x ${sizes[1]} px` };
  options("size", [["", "any"], ...Object.entries(words).map(([s, text]) => [s, `${text} ${counted((p) => somebody(p, "size", s))}`])]);
  const named = skeleton.keypoints.flatMap((name) => [[name, `${name} labelled`], [`-${name}`, `${name} not labelled`], [`hidden:${name}`, `${name} labelled as hidden`]]);
  options("keypoint", [["", "any"], ["unlabelled", `nothing labelled of somebody ${counted((p) => somebody(p, "keypoint", "unlabelled"))}`], ...named]);
  const found = new Map();
  for (const p of pictures) for (const kind of new Set(p.problems.map((q) => q.kind))) found.set(kind, (found.get(kind) || 0) + 1);
  const listed = [...found].sort((a, b) => b[1] - a[1]).map(([kind, n]) => [kind, `${kind.replaceAll("_", " ")} (${n.toLocaleString("en")})`]);
  options("problem", [["", found.size ? "with or without" : "none is known"], ...(found.size ? [["any", `any ${counted((p) => p.problems.length > 0)}`], ["none", `none ${counted((p) => !p.problems.length)}`]] : []), ...listed]);
  $("problem").disabled = !found.size;
}

//: Of pictures; those of people are asked of one and the same person.
const passes = {
  name: (p, text) => text.toLowerCase().split(/\s+/).every((word) => p.search.includes(word)),
  split: (p, split) => p.split === split,
  people: (p, n) => (n === "crowd" ? p.people.length > p.own.length : n.endsWith("+") ? p.own.length >= parseInt(n, 10) : p.own.length === Number(n)),
  problem: (p, kind) => (kind === "any" ? p.problems.length > 0 : kind === "none" ? !p.problems.length : p.problems.some((q) => q.kind === kind)),
};
const person = {
  size: (one, kind) => kinds(one.area) === kind,
  keypoint: (one, asked) => {
    if (asked === "unlabelled") return !skeleton.keypoints.some((_, k) => labelled(one, k));
    const hidden = asked.startsWith("hidden:"), lacks = asked.startsWith("-");
    const k = skeleton.keypoints.indexOf(hidden ? asked.slice(7) : lacks ? asked.slice(1) : asked);
    return k >= 0 && (hidden ? one.points[3 * k + 2] === 1 : labelled(one, k) !== lacks);
  },
};
const somebody = (p, test, value) => p.own.some((one) => person[test](one, value));
const smallest = (p) => Math.min(Infinity, ...p.own.map((one) => one.area));
const orders = {
  problems: (a, b) => b.problems.length - a.problems.length,
  people: (a, b) => b.own.length - a.own.length,
  smallest: (a, b) => smallest(a) - smallest(b) || 0,
};

function filter() {
  const asked = (tests) => Object.keys(tests).filter((f) => $(f).value).map((f) => [tests[f], $(f).value]);
  const ofPictures = asked(passes), ofPeople = asked(person);
  chosen = pictures.filter((p) => ofPictures.every(([test, value]) => test(p, value)) && (!ofPeople.length || p.own.some((one) => ofPeople.every(([test, value]) => test(one, value)))));
  const order = orders[$("order").value];
  if (order) chosen.sort((a, b) => order(a, b) || a.index - b.index);
  const people = chosen.reduce((sum, p) => sum + p.own.length, 0);
  const whole = pictures.length.toLocaleString("en"), found = chosen.length.toLocaleString("en");
  $("count").textContent = `${chosen.length === pictures.length ? whole : `${found} of ${whole}`} pictures, ${people.toLocaleString("en")} ${people === 1 ? "person" : "people"}`;
  for (const f of FILTERS) $(f).classList.toggle("on", f !== "order" && $(f).value !== "");
  $("clear").hidden = !FILTERS.some((f) => $(f).value);
  at = Math.min(at, Math.max(0, chosen.length - 1));
  shares();
  layout();
  document.body.dataset.found = String(chosen.length);
}

// ------------------------------------------------------------------ the address says what is chosen

function remember() {
  const said = new URLSearchParams();
  for (const f of FILTERS) if ($(f).value) said.set(f, $(f).value);
  if (off.size) said.set("hide", [...off].map((k) => skeleton.keypoints[k]).join(","));
  if ($("large").open && chosen[at]) said.set("open", String(chosen[at].index));
  const hash = said.toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

function recall() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const f of FILTERS) {
    const value = said.get(f) || "", field = $(f);
    if (field.options && ![...field.options].some((option) => option.value === value)) field.add(new Option(`${value} (no such thing)`, value));
    field.value = value;
  }
  off.clear();
  for (const name of (said.get("hide") || "").split(",")) if (skeleton.keypoints.includes(name)) off.add(skeleton.keypoints.indexOf(name));
  for (const box of $("keys").querySelectorAll("input")) box.checked = !off.has(Number(box.value));
  filter();
  const open = said.has("open") ? chosen.findIndex((p) => String(p.index) === said.get("open")) : -1;
  if (open >= 0) show(open); else if ($("large").open) $("large").close();
}

// ------------------------------------------------------------------ drawing

function made(kind, attributes, ...inner) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...inner);
  return node;
}

function overlay(picture, shown, named) {
  const [height, width] = picture.size, px = Math.max(height, width) / shown;  // source px in one of the screen's
  const svg = made("svg", { viewBox: `0 0 ${width} ${height}` });
  picture.people.forEach((person, n) => svg.append(drawn(person, n, px, named)));
  return svg;
}

function drawn(person, n, px, named) {
  const group = made("g", { "data-person": n }), [x1, y1, x2, y2] = person.box, point = person.points;
  const tall = Math.max(x2 - x1, y2 - y1, 1);
  const radius = Math.max(1.6 * px, Math.min(4.5 * px, tall * 0.02)), line = Math.max(1, radius / px * 0.75);
  const seen = (k) => point[3 * k + 2] > 0 && !off.has(k);
  if ($("boxes").checked) group.append(made("rect", { class: person.crowd ? "box crowd" : "box", x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) }));
  if ($("limbs").checked) for (const [a, b] of skeleton.edges) {
    if (!seen(a) || !seen(b)) continue;
    const dashed = point[3 * a + 2] === 1 || point[3 * b + 2] === 1 ? { "stroke-dasharray": "4 4" } : {};
    group.append(made("line", { x1: point[3 * a], y1: point[3 * a + 1], x2: point[3 * b], y2: point[3 * b + 1], stroke: skeleton.colours[b], "stroke-width": line, ...dashed }));
  }
  for (let k = 0; k < K; k++) {
    if (!seen(k)) continue;
    const hidden = point[3 * k + 2] === 1, colour = skeleton.colours[k];
    const dot = made("circle", { cx: point[3 * k], cy: point[3 * k + 1], r: radius, fill: hidden ? "none" : colour, stroke: hidden ? colour : "#000", "stroke-width": hidden ? radius * 0.6 : radius * 0.3, "data-keypoint": k });
    dot.append(made("title", {}, `${skeleton.keypoints[k]}${hidden ? " (hidden)" : ""}: ${point[3 * k]}, ${point[3 * k + 1]}`));
    group.append(dot);
    if (named) group.append(made("text", { x: point[3 * k] + 1.5 * radius, y: point[3 * k + 1] - radius, "font-size": 12 * px, "stroke-width": 3 * px }, skeleton.keypoints[k]));
  }
  return group;
}

function framed(picture, box, named) {
  const [height, width] = picture.size, scale = Math.min(box[0] / width, box[1] / height);
  const holder = document.createElement("div"), image = document.createElement("img");
  holder.className = "picture";
  holder.style.width = `${width * scale}px`;
  holder.style.height = `${height * scale}px`;
  image.decoding = "sync";
  image.alt = picture.name;
  image.onerror = () => holder.classList.add("lost");
  image.src = picture.file;
  holder.append(image, overlay(picture, Math.max(width, height) * scale, named));
  return holder;
}

// ------------------------------------------------------------------ the grid: only what is in sight exists

const CAPTION = 26, tiles = new Map();
function layout() {
  cell = Number($("zoom").value);
  columns = Math.max(1, Math.floor(($("grid").clientWidth - 10) / cell));
  $("space").style.height = `${Math.ceil(chosen.length / columns) * (cell + CAPTION) + 10}px`;
  fresh();
}

function fresh() {
  tiles.clear();
  $("space").replaceChildren();
  if (!chosen.length) {
    const empty = text("p", "No picture is like this. Clear a filter.");
    empty.id = "empty";
    $("space").append(empty);
  }
  paint();
}

function paint() {
  const grid = $("grid"), row = cell + CAPTION;
  const first = Math.max(0, Math.floor(grid.scrollTop / row) - 1) * columns;
  const last = Math.min(chosen.length, (Math.ceil((grid.scrollTop + grid.clientHeight) / row) + 1) * columns);
  for (const [i, node] of tiles) if (i < first || i >= last) { node.remove(); tiles.delete(i); }
  for (let i = first; i < last; i++) {
    if (!tiles.has(i)) { tiles.set(i, tile(chosen[i], i)); $("space").append(tiles.get(i)); }
    tiles.get(i).classList.toggle("chosen", i === at);
  }
}

function tile(picture, i) {
  const node = document.createElement("div"), frame = document.createElement("div"), caption = document.createElement("div");
  const wide = ($("grid").clientWidth - 10) / columns;
  node.className = "cell";
  Object.assign(node.style, { left: `${5 + (i % columns) * wide}px`, top: `${5 + Math.floor(i / columns) * (cell + CAPTION)}px`, width: `${wide}px`, height: `${cell + CAPTION}px` });
  frame.className = "frame";
  frame.append(framed(picture, [wide - 10, cell - 16], false));
  caption.className = "caption";
  caption.append(span("file", `\u200e${picture.name}`), ...(picture.problems.length ? [span("flag", `\u26a0 ${picture.problems.length}`)] : []), span("split", picture.split));
  caption.title = picture.name;
  node.append(frame, caption);
  node.onclick = () => show(i);
  return node;
}

function span(kind, text) {
  const node = document.createElement("span");
  node.className = kind;
  node.textContent = text;
  return node;
}

function sight() {
  const row = cell + CAPTION, top = Math.floor(at / columns) * row, grid = $("grid");
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + row > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + row - grid.clientHeight + 10;
  paint();
}

// ------------------------------------------------------------------ one picture, large

function show(i) {
  if (!chosen.length) return;
  at = Math.max(0, Math.min(chosen.length - 1, i));
  const picture = chosen[at], dialog = $("large");
  if (!dialog.open) dialog.showModal();
  const box = $("shown").getBoundingClientRect();
  const holder = framed(picture, [box.width - 24, box.height - 24], $("names").checked);
  $("shown").replaceChildren(holder);
  $("told").replaceChildren(...about(picture, holder));
  sight();
  remember();
}

function about(picture, holder) {
  const leaf = document.createElement("div"), [height, width] = picture.size;
  leaf.className = "leaf";
  leaf.append(button("\u2190", () => show(at - 1)), span("", `${at + 1} of ${chosen.length}`), button("\u2192", () => show(at + 1)), button("close", () => $("large").close()));
  const nodes = [leaf, text("h2", picture.name), text("p", `id ${picture.id}, ${picture.split}, ${width} x ${height} px`)];
  if (picture.problems.length) nodes.push(text("h3", `${picture.problems.length} ${picture.problems.length === 1 ? "problem" : "problems"}`));
  for (const q of picture.problems) {
    const card = text("div", "");
    card.className = `problem ${q.severity === "error" ? "error" : ""}`;
    card.append(text("b", `${q.severity ? `${q.severity}: ` : ""}${q.kind.replaceAll("_", " ")}`), q.what);
    if (q.keypoint || q.instance) card.append(text("p", [q.instance && `annotation ${q.instance}`, q.keypoint].filter(Boolean).join(", ")));
    if (q.fix) card.append(text("p", q.fix));
    lit(card, holder, picture.people.findIndex((person) => String(person.id) === q.instance));
    nodes.push(card);
  }
  nodes.push(text("h3", picture.own.length === 1 ? "1 person" : `${picture.own.length} people`));
  picture.people.forEach((person, n) => {
    const lacking = skeleton.keypoints.filter((_, k) => !labelled(person, k)), card = text("div", "");
    card.className = "person";
    const what = person.crowd ? "a crowd: ignored" : `${K - lacking.length} of ${K} keypoints, ${kinds(person.area)} (as ${Math.round(Math.sqrt(person.area))} x ${Math.round(Math.sqrt(person.area))} px)`;
    card.append(text("div", `annotation ${person.id}: ${what}`));
    if (!person.crowd && lacking.length && lacking.length < K) {
      const note = text("div", `not labelled: ${lacking.slice(0, 20).join(", ")}${lacking.length > 20 ? ", ..." : ""}`);
      note.className = "lack";
      card.append(note);
    }
    lit(card, holder, n);
    nodes.push(card);
  });
  return nodes;
}

function lit(card, holder, n) {
  if (n < 0) return;
  const groups = () => holder.querySelectorAll("svg > g");
  card.onmouseenter = () => groups().forEach((g) => g.classList.toggle("faint", Number(g.dataset.person) !== n));
  card.onmouseleave = () => groups().forEach((g) => g.classList.remove("faint"));
}

function text(kind, words) {
  const node = document.createElement(kind);
  node.textContent = words;
  return node;
}

function button(words, act) {
  const node = text("button", words);
  node.type = "button";
  node.onclick = act;
  return node;
}

// ------------------------------------------------------------------ keypoints that are drawn, and how often they are labelled

function keys() {
  $("keys").replaceChildren(...skeleton.keypoints.map((name, k) => {
    const label = document.createElement("label"), box = document.createElement("input");
    label.className = "key";
    label.style.setProperty("--colour", skeleton.colours[k]);
    Object.assign(box, { type: "checkbox", value: String(k), checked: true });
    box.onchange = () => { box.checked ? off.delete(k) : off.add(k); again(); };
    label.append(box, span("dot", ""), span("name", name), span("share", ""));
    return label;
  }));
}

function shares() {
  const sums = new Array(K).fill(0);
  let people = 0;
  for (const p of chosen) for (const person of p.own) {
    people += 1;
    for (let k = 0; k < K; k++) sums[k] += labelled(person, k);
  }
  [...$("keys").children].forEach((label, k) => { label.lastChild.textContent = people ? `${Math.round(100 * sums[k] / people)} %` : ""; });
}

function again() {
  fresh();
  if ($("large").open) show(at);
  remember();
}

function every(on) {
  off.clear();
  if (!on) for (let k = 0; k < K; k++) off.add(k);
  for (const box of $("keys").querySelectorAll("input")) box.checked = on;
  again();
}

// ------------------------------------------------------------------ keys

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search], select"), open = $("large").open;
  if (typing && event.key !== "Escape") return;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: open ? 1 : columns, ArrowUp: open ? -1 : -columns, PageDown: columns * 3, PageUp: -columns * 3 };
  const ticks = { n: "names", b: "boxes", l: "limbs" };
  if (event.key in steps) move(at + steps[event.key]);
  else if (event.key === "Home") move(0);
  else if (event.key === "End") move(chosen.length - 1);
  else if (event.key === "Enter" && !open && event.target.tagName !== "BUTTON") show(at);
  else if (event.key in ticks) { $(ticks[event.key]).checked = !$(ticks[event.key]).checked; again(); }
  else if (event.key === "/") $("name").focus();
  else if (event.key === "Escape" && typing) event.target.blur();
  else return;
  event.preventDefault();
}

function move(i) {
  if ($("large").open) { show(i); return; }
  at = Math.max(0, Math.min(chosen.length - 1, i));
  sight();
}

function begin() {
  $("title").textContent = title;
  document.title = `${title} - armature data show`;
  offer();
  keys();
  for (const f of FILTERS) $(f).addEventListener(f === "name" ? "input" : "change", () => { at = 0; $("grid").scrollTop = 0; filter(); remember(); });
  for (const id of ["boxes", "limbs", "names"]) $(id).onchange = again;
  $("zoom").oninput = () => { layout(); sight(); };
  $("clear").onclick = () => { for (const f of FILTERS) $(f).value = ""; filter(); remember(); };
  $("all").onclick = () => every(true);
  $("none").onclick = () => every(false);
  $("filters").onsubmit = (event) => event.preventDefault();
  $("large").addEventListener("close", () => { remember(); sight(); });
  $("grid").addEventListener("scroll", paint, { passive: true });
  addEventListener("resize", () => { layout(); if ($("large").open) show(at); });
  addEventListener("keydown", pressed);
  addEventListener("hashchange", recall);
  recall();
}

begin();
