"use strict";
// Shows one image of the list after the other. A decision is sent at once, and the next image comes when it is on the disk.
const KEYED = 9;
const { classes, entries, keep, remove } = JSON.parse(document.getElementById("list").textContent);
const article = document.querySelector("article"), done = document.querySelector("section");
const image = article.querySelector("img"), path = article.querySelector("h2 bdi");
const status = document.querySelector("[role=status]");
const keys = new Map(), past = [];
let current = 0, busy = false;

function make(parent, tag, text = "", properties = {}) {
  const element = Object.assign(document.createElement(tag), { textContent: text }, properties);
  parent.append(element);
  return element;
}

function button(parent, key, text, act, correction) {
  const element = make(document.getElementById(parent), "button", "", { type: "button", onclick: act });
  make(element, "kbd", key);
  make(element, "bdi", text);
  if (correction !== undefined) element.dataset.correction = correction;
  keys.set(key, act);
  return element;
}

function told(correction) {
  return correction === keep ? "label kept" : correction === remove ? "to be removed" : correction ? correction : "undecided";
}

function picture(number) {
  return `pictures/${number}`;
}

function show(number) {
  current = number;
  const { path: name, split, label, suggested, confidence, correction } = entries[number];
  image.src = picture(number);
  image.alt = name;
  path.textContent = name;
  document.getElementById("label").textContent = label;
  const sure = confidence === null ? "" : `, ${(100 * confidence).toFixed(0)}% sure`;
  document.getElementById("suggested").textContent = suggested + sure;
  document.getElementById("split").textContent = split;
  for (const element of document.querySelectorAll("[data-correction]")) {
    element.setAttribute("aria-pressed", element.dataset.correction === correction);
  }
  const following = next(number);
  if (following >= 0) new Image().src = picture(following);
  count();
}

function count() {
  const decided = entries.filter((entry) => entry.correction).length;
  document.getElementById("progress").textContent = `${decided} of ${entries.length} decided`;
  done.hidden = decided < entries.length;
  undoing.disabled = !past.length;
}

// The next undecided image after one, from the beginning again after the last; -1 if all are decided.
function next(number) {
  for (let step = 1; step <= entries.length; step += 1) {
    const other = (number + step) % entries.length;
    if (!entries[other].correction) return other;
  }
  return -1;
}

async function send(number, correction) {
  busy = true;
  status.className = "";
  try {
    const response = await fetch("decisions", { method: "POST", body: JSON.stringify({ number, correction }) });
    const answer = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
    if (!response.ok) throw new Error(answer.error);
    entries[number].correction = correction;
    status.textContent = `${entries[number].path}: ${told(correction)}`;
    return true;
  } catch (error) {
    const gone = error instanceof TypeError;
    status.textContent = gone ? "graft labels gave no answer, so this is not written: start it again." : error.message;
    status.className = "error";
    return false;
  } finally {
    busy = false;
  }
}

async function decide(correction) {
  if (busy || !entries.length) return;
  const number = current, before = entries[number].correction;
  if (!(await send(number, correction))) return;
  past.push({ number, before });
  const following = next(number);
  show(following < 0 ? number : following);
}

async function undo() {
  if (busy || !past.length) return;
  const { number, before } = past.at(-1);
  if (!(await send(number, before))) return;
  past.pop();
  show(number);
}

function later() {
  const following = next(current);
  if (!busy && following >= 0) show(following);
}

classes.slice(0, KEYED).forEach((name, number) => button("classes", `${number + 1}`, name, () => decide(name), name));
if (classes.length > KEYED) {
  const others = make(document.getElementById("classes"), "select", "", { ariaLabel: "Another class" });
  make(others, "option", "another class …", { value: "" });
  for (const name of classes.slice(KEYED)) make(others, "option", name, { value: name });
  others.onchange = () => {
    const chosen = others.value;
    others.value = "";
    others.blur();
    if (chosen) decide(chosen);
  };
}
button("others", "k", "keep label", () => decide(keep), keep);
button("others", "x", "remove image", () => decide(remove), remove);
button("others", "→", "later", later);
const undoing = button("others", "u", "undo", undo);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.tagName === "SELECT") return;
  const act = keys.get(event.key === "ArrowRight" ? "→" : event.key.toLowerCase());
  if (act) {
    event.preventDefault();
    act();
  }
});

if (entries.length) show(Math.max(0, next(entries.length - 1)));
else {
  article.hidden = true;
  count();
}
