"use strict";

const at = (id) => document.getElementById(id);
let spoken = []; // [role, text], oldest first; another list once it starts again
const readers = new Map(); // column -> function that gives its cell
let [person, model] = ["user", "model"]; // roles
let mostBytes = Infinity; // of a request

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function asBase64(file) {
  if (file.size > mostBytes) {
    const most = (mostBytes / 2 ** 20).toFixed(1);
    throw new Error(`${file.name} is too large: more than ${most} MiB.`);
  }
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.onload = () => resolve({ base64: reader.result.split(",")[1] ?? "" });
    reader.readAsDataURL(file);
  });
}

function fileInput(field, box) {
  const input = make("input", { type: "file", accept: `${field.kind}/*` });
  const tag = { image: "img", audio: "audio", video: "video" }[field.kind];
  const shown = make(tag, { hidden: true, controls: true, alt: "" });
  input.addEventListener("change", () => {
    const file = input.files[0];
    URL.revokeObjectURL(shown.src);
    shown.hidden = !file;
    if (file) shown.src = URL.createObjectURL(file);
  });
  box.append(shown);
  readers.set(field.name, () => (input.files[0] ? asBase64(input.files[0]) : null));
  return input;
}

function choiceInput(field) {
  const options = ["", ...field.choices].map((c) => make("option", { value: c }, c));
  return make("select", {}, ...options);
}

function addField(field, number) {
  const id = `field-${number}`;
  const box = make("div", { className: "field" });
  box.append(make("label", { htmlFor: id }, field.name));
  let input;
  if (["image", "audio", "video"].includes(field.kind)) {
    input = fileInput(field, box);
  } else {
    input =
      field.kind === "choice"
        ? choiceInput(field)
        : make("input", { type: field.kind, step: "any" });
    readers.set(field.name, () => {
      // a number or date that is half written has no value
      if (input.validity.badInput) throw new Error(`${field.name}: no ${field.kind}.`);
      if (input.value === "") return null;
      return field.kind === "number" ? Number(input.value) : input.value;
    });
  }
  input.id = id;
  box.insertBefore(input, box.children[1] ?? null);
  at("given").append(box);
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => ({
    error: `The server's answer cannot be read (${answer.status}).`,
  }));
  if (content.error !== undefined) throw new Error(content.error);
  return content;
}

async function cells() {
  const found = [];
  for (const [name, read] of readers) found.push([name, await read()]);
  return Object.fromEntries(found);
}

function show(side, text) {
  const role = side === "person" ? person : model;
  const said = make("span", { className: "text" }, text || "(says nothing)");
  const turn = make("li", { className: side });
  turn.append(make("span", { className: "role" }, role), said);
  at("turns").append(turn);
  turn.scrollIntoView({ block: "end" });
  return turn;
}

function complain(message) {
  at("error").textContent = message;
  at("error").hidden = !message;
}

async function say(event) {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text || at("send").disabled) return;
  complain("");
  at("send").disabled = true;
  const turn = show("person", text);
  const turns = spoken;
  at("text").value = "";
  try {
    const history = [...turns, [person, text]];
    const body = JSON.stringify({ history, cells: await cells() });
    const headers = { "Content-Type": "application/json" };
    const { reply } = await ask("reply", { method: "POST", headers, body });
    if (spoken === turns) {
      turns.push([person, text], [model, reply]);
      show("model", reply);
    }
  } catch (error) {
    if (spoken === turns) {
      turn.remove();
      at("text").value = [text, at("text").value].filter(Boolean).join("\n");
      complain(error.message);
    }
  }
  at("send").disabled = false;
  at("text").focus();
}

function startAgain() {
  spoken = [];
  at("turns").replaceChildren();
  complain("");
  at("text").focus();
}

async function begin() {
  const about = await ask("about");
  document.title = about.title;
  at("title").textContent = about.title;
  [person, model] = about.roles;
  mostBytes = about.max_bytes;
  at("who").textContent = person;
  about.fields.forEach(addField);
  if (about.left_out.length) {
    const names = about.left_out.join(", ");
    at("given").append(make("p", {}, `Not asked for, so missing: ${names}.`));
  }
  at("given").hidden = !about.fields.length && !about.left_out.length;
  if (document.activeElement === document.body) at("text").focus();
}

at("say").addEventListener("submit", say);
at("again").addEventListener("click", startAgain);
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) say(event);
});
begin().catch((error) => complain(error.message));
