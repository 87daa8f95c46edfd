"use strict";
// Sends photographs to the server as they are, a few at a time, and shows its answers. Names of files and classes are text, never markup.
const AT_ONCE = 4, MOST_CLASSES = 10;
const served = JSON.parse(document.getElementById("served").textContent);
const drop = document.getElementById("drop"), input = drop.querySelector("input");
const status = document.querySelector("[role=status]"), results = document.querySelector("section");
const waiting = [];
let running = 0;

function make(parent, tag, text = "", properties = {}) {
  const element = Object.assign(document.createElement(tag), { textContent: text }, properties);
  parent.append(element);
  return element;
}

function add(files) {
  for (const file of files) {
    const article = make(results, "article");
    const image = make(article, "img", "", { alt: "", decoding: "async", src: URL.createObjectURL(file) });
    image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
    const told = make(article, "div");
    make(make(told, "h2"), "bdi", file.name);
    waiting.push({ file, told, state: make(told, "p", "waiting …", { className: "quiet" }) });
  }
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    const { file, told, state } = waiting.shift();
    predict(file)
      .then((answer) => show(file, told, answer), (error) => fail(file, told, error))
      .finally(() => {
        state.remove();
        running -= 1;
        next();
      });
  }
}

function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] ?? "");
    reader.onerror = () => reject(new Error("This can't be read: choose files, not folders."));
    reader.readAsDataURL(file);
  });
}

async function predict(file) {
  const body = JSON.stringify({ instances: [{ image_bytes: { b64: await encoded(file) } }] });
  let response;
  try {
    response = await fetch(`/v1/models/${encodeURIComponent(served.name)}:predict`, { method: "POST", body });
  } catch {
    throw new Error("The server gave no answer: it was stopped, or the file is too large for it.");
  }
  const answer = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
  if (!response.ok) throw new Error(answer.error, { cause: response.status });
  return answer.predictions[0];
}

function show(file, told, answer) {
  const shares = answer.probabilities.map((share, number) => {
    const known = served.classes[number] ?? (number === answer.class ? answer.label : `class ${number}`);
    return { share, known };
  });
  shares.sort((one, other) => other.share - one.share);
  make(make(told, "p"), "strong").append(make(told, "bdi", answer.label));
  if (answer.confident === false) make(told, "p", "The model is not confident.", { className: "quiet" });
  const table = make(told, "table");
  make(table, "caption", `Probabilities of ${file.name}`, { className: "hidden" });
  const body = make(table, "tbody");
  for (const { share, known } of shares.slice(0, MOST_CLASSES)) {
    const row = make(body, "tr");
    make(make(row, "th", "", { scope: "row" }), "bdi", known);
    make(row, "td", `${(100 * share).toFixed(1)}%`);
    make(make(row, "td", "", { className: "bar" }), "i").style.width = `${100 * share}%`;
  }
  if (shares.length > MOST_CLASSES) make(told, "p", `and ${shares.length - MOST_CLASSES} less likely ones`, { className: "quiet" });
  status.textContent = `${file.name}: ${answer.label}`;
}

function fail(file, told, error) {
  make(told, "p", error.message, { className: "error" });
  if (error.cause === 400) make(told, "p", "JPEG, PNG, GIF and BMP are understood. Save others, such as WebP and HEIC, as PNG first.");
  status.textContent = `${file.name}: ${error.message}`;
}

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type === "drop") add(event.dataTransfer.files);
  });
}
