// The page: what its filters and its URL say is asked of /api and shown; new observations come by server-sent events.

import {COLOURS, EMOTIONS, drawDay, drawWeek} from "./charts.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const ROWS = 50;
const DEVICES_EVERY_MS = 15_000;
const CHARTS_EVERY_MS = 5_000;
const CHARTS_ANYWAY_EVERY_MS = 60_000; // the last of many observations may have met an answer that was kept
const SILENT_AFTER_S = 180; // a device says how it is once a minute
const SINCE_MS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000};
const HOURS_SPAN_MS = 4 * 86_400_000; // longer spans are shown by day

const byId = (id) => document.getElementById(id);
const form = byId("filters");
let question = 0; // grows with each change of the filters: what an older question brings is thrown away
let after = null; // null: the table shows the newest
let next = null;

for (const emotion of EMOTIONS) form.elements.emotion.add(new Option(emotion));

/** The filters as parameters of /api, without those that are empty. */
function asked() {
  const fields = ["from", "to", "device", "emotion", "confidence"];
  const values = fields.map((name) => [name, form.elements[name].value]);
  if (form.elements.since.value) values.push(["since", form.elements.since.value]);
  const span = !form.elements.since.value;
  return new URLSearchParams(values.filter(([name, value]) => value && (span || (name !== "from" && name !== "to"))));
}

function readUrl() {
  const given = new URLSearchParams(location.search);
  form.reset();
  for (const [name, value] of given) {
    const field = form.elements[name];
    if (!field) continue;
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
      field.add(new Option(value, value)); // the log may know it though the page does not yet
    }
    field.value = value;
  }
  if (given.has("from") || given.has("to")) form.elements.since.value = "";
  showSpan();
}

function writeUrl() {
  const words = asked().toString();
  history.pushState(null, "", words ? `?${words}` : location.pathname);
}

function showSpan() {
  for (const label of document.querySelectorAll(".span")) label.hidden = form.elements.since.value !== "";
}

async function get(path, parameters) {
  parameters.set("timezone", ZONE);
  const response = await fetch(`/api/${path}?${parameters}`, {headers: {Accept: "application/json"}});
  if (response.status === 401) location.assign("/login");
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

function trouble(words) {
  byId("trouble").textContent = words;
  byId("trouble").hidden = !words;
}

/** Ask for these parts of the page anew. */
async function show(parts = [showDevices, showDay, showWeek, showRows]) {
  const mine = question;
  const current = () => mine === question;
  try {
    await Promise.all(parts.map((part) => part(current)));
    if (current()) trouble("");
  } catch (error) {
    if (current()) trouble(error instanceof TypeError ? "The dashboard does not answer: is it running?" : error.message);
  }
}

async function showDevices() {
  const {devices} = await get("devices", new URLSearchParams());
  byId("devices").replaceChildren(...devices.map(card));
  byId("no-devices").hidden = devices.length > 0;
  const known = new Set([...form.elements.device.options].map((option) => option.value));
  for (const {device} of devices) if (!known.has(device)) form.elements.device.add(new Option(device));
}

function card(device) {
  const item = document.createElement("li");
  const silentS = device.heard ? (Date.now() - Date.parse(device.heard)) / 1000 : 0;
  const silent = device.state === "online" && silentS > SILENT_AFTER_S;
  const state = silent ? "silent" : device.state ?? "unknown";
  const title = add(item, "h3", device.device);
  add(title, "span", silent ? `silent for ${duration(silentS)}` : state, `state ${state}`);
  const face = add(item, "p", "", "face");
  if (device.last_emotion) {
    add(face, "i", "").style.background = COLOURS[device.last_emotion];
    face.append(`${device.last_emotion} ${percent(device.last_confidence)}`);
    add(item, "p", `${ago(device.last_at)}${device.moving && state === "online" ? ", something moves" : ""}`, "when");
  } else {
    face.append("nothing seen yet");
  }
  const list = add(item, "ul", "", "health");
  for (const [words, kind] of health(device)) add(list, "li", words, kind);
  if (!list.children.length) list.remove();
  return item;
}

/** What of a device's health is worth saying. */
function* health(device) {
  if (device.missing) yield [`${device.missing} numbers missing: see mien db check`, "bad"];
  if (device.dropped) yield [`${device.dropped} dropped, its outbox was full`, "bad"];
  if (device.refused) yield [`${device.refused} refused: see mien rejected list`, "warning"];
  if (device.camera === "failing") yield [`camera: ${device.camera_error || "fails"}`, "bad"];
  if (device.sensor && device.sensor !== "ok" && device.sensor !== "settling") yield [`sensor ${device.sensor}`, "warning"];
  if (device.clock === "unsynced") yield ["clock not synchronised", "warning"];
  if (device.throttled) yield ["slowed down by heat or a weak supply", "warning"];
  if (device.oldest_age_s > 60) yield [`${device.waiting} wait, for ${duration(device.oldest_age_s)}`, "warning"];
  if (device.temperature_celsius !== null) yield [`${Math.round(device.temperature_celsius)} °C`, ""];
}

async function showDay(current) {
  const parameters = asked();
  const since = parameters.get("since");
  const begin = parameters.get("from"), end = parameters.get("to");
  const spanMs = begin ? (end ? Date.parse(end) : Date.now()) - Date.parse(begin) : Infinity;
  const group = since === "1h" || since === "24h" || (!since && spanMs <= HOURS_SPAN_MS) ? "hour" : "day";
  parameters.set("by", `device,${group},emotion`);
  const {counts} = await get("counts", parameters);
  if (!current()) return;
  byId("day-title").textContent = group === "hour" ? "By hour" : "By day";
  chart(byId("day"), counts.length, () => drawDay(byId("day"), counts, group, SINCE_MS[since]));
}

async function showWeek(current) {
  const parameters = asked();
  for (const name of ["from", "to"]) parameters.delete(name);
  parameters.set("since", "4w");
  parameters.set("by", "hour");
  const {counts} = await get("counts", parameters);
  if (current()) chart(byId("week"), counts.length, () => drawWeek(byId("week"), counts));
}

function chart(element, there, draw) {
  element.hidden = !there;
  element.parentElement.querySelector(".empty").hidden = there > 0;
  element.parentElement.querySelector("details").hidden = !there;
  if (there) draw();
}

async function showRows(current) {
  const parameters = asked();
  const csv = new URLSearchParams(parameters);
  csv.set("limit", 1000);
  csv.set("format", "csv");
  csv.set("timezone", ZONE);
  byId("csv").href = `/api/observations?${csv}`;
  parameters.set("limit", ROWS);
  if (after) parameters.set("after", after);
  const page = await get("observations", parameters);
  if (!current()) return;
  next = page.next;
  const known = new Set([...byId("rows").children].map((row) => row.dataset.id));
  const rows = page.observations.map((seen) => row(seen, known.size > 0 && !after && !known.has(seen.id)));
  byId("rows").replaceChildren(...rows);
  byId("no-rows").hidden = rows.length > 0;
  byId("older").disabled = !next;
  byId("newest").hidden = !after;
}

function row(seen, isNew) {
  const line = document.createElement("tr");
  line.dataset.id = seen.id;
  if (isNew) line.className = "new";
  const time = add(line, "td", "", "moment");
  for (const words of seen.at.slice(0, 19).split("T")) {
    if (time.hasChildNodes()) time.append(" ");
    add(time, "span", words);
  }
  add(line, "td", seen.device, "device");
  add(line, "td", seen.emotion);
  add(line, "td", percent(seen.confidence), "number");
  for (const words of [seen.track, seen.frames]) add(line, "td", words, "number spare");
  return line;
}

function add(parent, name, words, kind = "") {
  const element = document.createElement(name);
  element.textContent = words;
  if (kind) element.className = kind;
  parent.append(element);
  return element;
}

const percent = (fraction) => `${Math.round(fraction * 100)} %`;
const ago = (moment) => `${duration((Date.now() - Date.parse(moment)) / 1000)} ago`;

function duration(seconds) {
  const units = [["d", 86_400], ["h", 3600], ["min", 60]];
  for (const [name, length] of units) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${name}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** Calls `work` at most every so often, and always once more after the last call. */
function throttled(work, everyMs) {
  let last = 0, timer = null;
  return () => {
    if (timer) return;
    timer = setTimeout(() => {
      timer = null;
      last = Date.now();
      work();
    }, Math.max(0, last + everyMs - Date.now()));
  };
}

function listen() {
  const status = byId("live");
  const events = new EventSource("/api/events");
  const showFew = throttled(() => show(after ? [showDevices] : [showDevices, showRows]), 1000);
  const showCharts = throttled(() => show([showDay, showWeek]), CHARTS_EVERY_MS);
  events.addEventListener("begin", () => {
    status.className = "on";
    status.textContent = "live";
    show();
  });
  events.addEventListener("observations", () => {
    showFew();
    showCharts();
  });
  events.addEventListener("trouble", (event) => trouble(JSON.parse(event.data)));
  events.onerror = () => {
    status.className = "";
    status.textContent = "not live, trying again";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

function ask(from = null) {
  question += 1;
  after = from;
  show(from ? [showRows] : undefined);
}

function changed() {
  showSpan();
  writeUrl();
  ask();
}

form.addEventListener("change", changed);
form.addEventListener("reset", () => setTimeout(changed));
form.addEventListener("submit", (event) => event.preventDefault());
byId("older").addEventListener("click", () => ask(next));
byId("newest").addEventListener("click", () => ask());
window.addEventListener("popstate", () => {
  readUrl();
  ask();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show([showDay, showWeek]));
setInterval(() => show([showDevices]), DEVICES_EVERY_MS);
setInterval(() => show([showDay, showWeek]), CHARTS_ANYWAY_EVERY_MS);

readUrl();
listen();
