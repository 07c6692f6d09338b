// The dashboard: loads from /api what its filters select, keeps the filters in the URL, and updates on server-sent events.

import {COLORS, EMOTIONS, drawTimeline, drawWeek} from "./charts.js";

const TIMEZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const PAGE_ROWS = 50;
const STATES_EVERY_MS = 15_000;
const MIN_CHARTS_INTERVAL_MS = 5_000;
const RELISTEN_MS = 15_000;
const CHARTS_EVERY_MS = 60_000; // the charts drawn at the last event may have come from the cache
const SILENT_AFTER_S = 180; // devices report their health once a minute
const BUSY_REASONS = {
  clock: "the clock of its machine cannot be right",
  database: "its database does not respond",
};
const CAMERA_FAULTS = { // what to do about a camera that delivers images
  black: "its image is black; uncover the lens, or turn on a light",
  green: "its image was green; check its cable and the network",
  frozen: "it repeated the same image; switch it off and on if it does so again",
  exposure: "its brightness jumps; turn it away from lamps and windows, or fix its exposure",
  resized: "its image changed its size; fix the size in its settings",
  time_jump: "the clock of its stream went back; check its time, and that it is no recording",
  absent: "it was away for a while; check its cable and its power supply",
  refused: "it refused the password for a while",
  stopped: "its images stopped for a while; check its cable, its power supply and the network",
};
const SENSOR_FAULTS = {
  stuck: "motion without a pause; check its wires, and turn it away from heat and sunlight",
  stuck_high: "motion without a pause; check its wires, and turn it away from heat and sunlight",
  stuck_low: "no motion since the agent started; check its wires with mien doctor --motion 60",
  silent: "no motion for days; check its wires with mien doctor --motion 60",
  bouncing: "signals faster than a sensor's; fix the wire to OUT, which is loose or disturbed",
  periodic: "motion at regular intervals; turn it away from heaters and air vents, and check its power supply",
};
const SINCE_MS = {"1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000};
const DRIFT_EVERY_MS = 300_000; // of windows that are days long
const UNCERTAIN = "uncertain";
const MAX_HOURLY_SPAN_MS = 4 * 86_400_000; // longer spans are shown by day

const byId = (id) => document.getElementById(id);
const form = byId("filters");
let generation = 0; // incremented when the filters change; responses to requests of an older generation are discarded
let after = null; // null: the table shows the newest
let next = null;
let isReadingUrl = false;
let thresholds = {}; // by model, the confidence below which a prediction is uncertain
let drifts = new Map(); // by device
let devices = [];

for (const emotion of EMOTIONS) form.elements.emotion.add(new Option(emotion));

/** What people read of a prediction: its emotion, unless its confidence is too low for its model. */
function shownEmotion(emotion, confidence, model) {
  const isUncertain = !form.elements.uncertain.value && confidence < (thresholds[model] ?? 0);
  return isUncertain ? UNCERTAIN : emotion;
}

/** The filters that are set, as parameters of /api. */
function filterParameters() {
  const names = ["from", "to", "device", "emotion", "min_confidence"];
  const values = names.map((name) => [name, form.elements[name].value]);
  if (form.elements.since.value) values.push(["since", form.elements.since.value]);
  const custom = !form.elements.since.value;
  return new URLSearchParams(values.filter(([name, value]) => value && (custom || (name !== "from" && name !== "to"))));
}

function readUrl() {
  const parameters = new URLSearchParams(location.search);
  isReadingUrl = true; // its reset must not become an entry of the history, from which nobody could go back
  form.reset();
  isReadingUrl = false;
  for (const [name, value] of parameters) {
    const field = form.elements[name];
    if (!field) continue;
    if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
      field.add(new Option(value, value)); // such as a device that has not been loaded yet
    }
    field.value = value;
  }
  if (parameters.has("from") || parameters.has("to")) form.elements.since.value = "";
  showRangeFields();
}

function writeUrl() {
  const parameters = filterParameters();
  if (form.elements.uncertain.value) parameters.set("uncertain", form.elements.uncertain.value);
  const query = parameters.toString();
  history.pushState(null, "", query ? `?${query}` : location.pathname);
}

function showRangeFields() {
  for (const label of document.querySelectorAll(".range")) label.hidden = form.elements.since.value !== "";
}

async function get(path, parameters) {
  parameters.set("timezone", TIMEZONE);
  const response = await fetch(`/api/${path}?${parameters}`, {headers: {Accept: "application/json"}});
  if (response.status === 401) location.assign("/login");
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail);
  return body;
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/** Load these sections. */
async function load(sections = [loadCollectors, loadDevices, loadDrift, loadTimeline, loadWeek, loadRows]) {
  const started = generation;
  const isCurrent = () => started === generation;
  try {
    await Promise.all(sections.map((section) => section(isCurrent)));
    if (isCurrent()) showProblem("");
  } catch (error) {
    const unreachable = "The dashboard server does not respond: check that it is running.";
    if (isCurrent()) showProblem(error instanceof TypeError ? unreachable : error.message);
  }
}

/** Say which collectors are busy and why, in one line. */
async function loadCollectors() {
  const {collectors} = await get("collectors", new URLSearchParams());
  const busy = collectors.filter(({state}) => state === "busy");
  const sentences = busy.map(({collector, reason}) => `Collector ${collector} stores nothing because ${BUSY_REASONS[reason] ?? reason}.`);
  const text = busy.length ? `${sentences.join(" ")} Devices keep their observations meanwhile.` : "";
  const line = byId("busy");
  if (line.textContent !== text) line.textContent = text; // read aloud once, not every time
  line.hidden = !text;
}

/** Load the models' thresholds; nothing is shown as uncertain before. */
async function loadThresholds() {
  ({thresholds} = await get("thresholds", new URLSearchParams()));
}

/** Load what has drifted, which takes longer than to show the devices. */
async function loadDrift() {
  const answer = await get("drift", new URLSearchParams());
  drifts = new Map(answer.devices.map((drift) => [drift.device, drift]));
  showDevices();
}

async function loadDevices() {
  ({devices} = await get("devices", new URLSearchParams()));
  showDevices();
  byId("no-devices").hidden = devices.length > 0;
  const options = new Set([...form.elements.device.options].map((option) => option.value));
  for (const {device} of devices) if (!options.has(device)) form.elements.device.add(new Option(device));
}

function showDevices() {
  byId("devices").replaceChildren(...devices.map(deviceCard));
}

function deviceCard(device) {
  const item = document.createElement("li");
  const silentS = device.last_heard_at ? (Date.now() - Date.parse(device.last_heard_at)) / 1000 : 0;
  const silent = device.state === "online" && silentS > SILENT_AFTER_S;
  const state = silent ? "silent" : device.state ?? "unknown";
  const title = append(item, "h3", device.device);
  append(title, "span", silent ? `silent for ${formatDuration(silentS)}` : state, `state ${state}`);
  const expression = append(item, "p", "", "expression");
  if (device.last_emotion) {
    const shown = shownEmotion(device.last_emotion, device.last_confidence, device.last_model);
    append(expression, "i", "").style.background = COLORS[shown] ?? "transparent";
    expression.append(`${shown} ${formatPercent(device.last_confidence)}`);
    const motion = device.motion && state === "online" ? ", motion detected" : "";
    append(item, "p", `${formatAge(device.last_observed_at)}${motion}`, "when");
  } else {
    expression.append("no observations yet");
  }
  const list = append(item, "ul", "", "health");
  for (const [text, severity] of healthMessages(device)) append(list, "li", text, severity);
  if (!list.children.length) list.remove();
  return item;
}

/** What people should know about a device's health. */
function* healthMessages(device) {
  if (device.gaps) yield [`${device.gaps} messages missing: see mien db check`, "bad"];
  if (device.dropped) yield [`${device.dropped} dropped because the outbox was full`, "bad"];
  if (device.discarded) {
    yield [`${device.discarded} discarded because it sends too many, last ${formatAge(device.last_discarded_at)}`, "bad"];
  }
  if (device.rejected) yield [`${device.rejected} rejected: see mien rejected list`, "warning"];
  const drift = drifts.get(device.device);
  if (drift?.has_drifted) {
    const shares = `${formatPercent(drift.share)} in the last day, ${formatPercent(drift.baseline_share)} in the 14 days before`;
    yield [`predictions have changed: ${drift.emotion} ${shares}; check camera and light`, "warning"];
  }
  const fault = device.camera_fault;
  if (device.camera === "paused") yield ["paused: mien aim has the camera", "warning"];
  if (device.camera === "failing") yield [`camera ${fault ?? "failing"}: ${device.camera_error}`, "bad"];
  else if (fault) yield [`camera: ${CAMERA_FAULTS[fault] ?? fault}`, "warning"];
  if (device.camera_color === false) yield ["camera: no color, as at night by infra-red light", ""];
  const sensorFault = device.sensor_fault ?? (["stuck", "periodic"].includes(device.sensor) ? device.sensor : null);
  if (sensorFault) yield [`motion sensor: ${SENSOR_FAULTS[sensorFault] ?? sensorFault}`, "warning"];
  if (device.clock === "unsynced") yield ["clock not synchronized", "warning"];
  if (device.throttled) yield ["throttled by heat or a weak power supply", "warning"];
  if (device.oldest_age_s > 60) {
    yield [`${device.waiting} waiting, the oldest for ${formatDuration(device.oldest_age_s)}`, "warning"];
  }
  if (device.temperature_celsius !== null) yield [`${Math.round(device.temperature_celsius)} °C`, ""];
}

async function loadTimeline(isCurrent) {
  const parameters = filterParameters();
  const since = parameters.get("since");
  const from = parameters.get("from"), to = parameters.get("to");
  const spanMs = from ? (to ? Date.parse(to) : Date.now()) - Date.parse(from) : Infinity;
  const group = since === "1h" || since === "24h" || (!since && spanMs <= MAX_HOURLY_SPAN_MS) ? "hour" : "day";
  parameters.set("by", `device,${group},emotion`);
  const {counts} = await get("counts", parameters);
  if (!isCurrent()) return;
  byId("timeline-title").textContent = group === "hour" ? "By hour" : "By day";
  const element = byId("timeline");
  showChart(element, counts.length > 0, () => drawTimeline(element, counts, group, SINCE_MS[since]));
}

async function loadWeek(isCurrent) {
  const parameters = filterParameters();
  for (const name of ["from", "to"]) parameters.delete(name);
  parameters.set("since", "4w");
  parameters.set("by", "hour");
  const {counts} = await get("counts", parameters);
  if (isCurrent()) showChart(byId("week"), counts.length > 0, () => drawWeek(byId("week"), counts));
}

function showChart(element, hasCounts, draw) {
  element.hidden = !hasCounts;
  element.parentElement.querySelector(".empty").hidden = hasCounts;
  element.parentElement.querySelector("details").hidden = !hasCounts;
  if (hasCounts) draw();
}

async function loadRows(isCurrent) {
  const parameters = filterParameters();
  const csv = new URLSearchParams(parameters);
  csv.set("limit", 1000);
  csv.set("format", "csv");
  csv.set("timezone", TIMEZONE);
  byId("csv").href = `/api/observations?${csv}`;
  parameters.set("limit", PAGE_ROWS);
  if (after) parameters.set("after", after);
  const page = await get("observations", parameters);
  if (!isCurrent()) return;
  next = page.next;
  const shownIds = new Set([...byId("rows").children].map((row) => row.dataset.id));
  const isNew = (observation) => shownIds.size > 0 && !after && !shownIds.has(observation.id);
  const rows = page.observations.map((observation) => observationRow(observation, isNew(observation)));
  byId("rows").replaceChildren(...rows);
  byId("no-rows").hidden = rows.length > 0;
  byId("older").disabled = !next;
  byId("newest").hidden = !after;
}

function observationRow(observation, isNew) {
  const row = document.createElement("tr");
  row.dataset.id = observation.id;
  if (isNew) row.className = "new";
  const time = append(row, "td", "", "time");
  for (const part of observation.at.slice(0, 19).split("T")) {
    if (time.hasChildNodes()) time.append(" ");
    append(time, "span", part);
  }
  append(row, "td", observation.device, "device");
  const shown = shownEmotion(observation.emotion, observation.confidence, observation.model);
  append(row, "td", shown, shown === UNCERTAIN ? UNCERTAIN : "");
  append(row, "td", formatPercent(observation.confidence), "number");
  for (const number of [observation.track, observation.frames]) append(row, "td", number, "number optional");
  return row;
}

function append(parent, tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

const formatPercent = (fraction) => `${Math.round(fraction * 100)} %`;
const formatAge = (time) => `${formatDuration((Date.now() - Date.parse(time)) / 1000)} ago`;

function formatDuration(seconds) {
  const units = [["d", 86_400], ["h", 3600], ["min", 60]];
  for (const [name, length] of units) if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${name}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** Call `work` at most once per interval, and always once more after the last call. */
function throttle(work, intervalMs) {
  let last = 0, timer = null;
  return () => {
    if (timer) return;
    timer = setTimeout(() => {
      timer = null;
      last = Date.now();
      work();
    }, Math.max(0, last + intervalMs - Date.now()));
  };
}

function listen() {
  const status = byId("live");
  const events = new EventSource("/api/events");
  const loadLists = throttle(() => load(after ? [loadDevices] : [loadDevices, loadRows]), 1000);
  const loadCharts = throttle(() => load([loadTimeline, loadWeek]), MIN_CHARTS_INTERVAL_MS);
  events.addEventListener("ready", () => {
    status.className = "on";
    status.textContent = "live";
    load([loadThresholds]).then(() => load());
  });
  events.addEventListener("observations", () => {
    loadLists();
    loadCharts();
  });
  events.addEventListener("problem", (event) => showProblem(JSON.parse(event.data)));
  events.onerror = () => {
    status.className = "";
    status.textContent = "disconnected, reconnecting";
    if (events.readyState === EventSource.CLOSED) { // refused, such as when too many listen: poll instead
      load([loadThresholds]).then(() => load());
      setTimeout(listen, RELISTEN_MS);
    }
  };
}

function showRowsAfter(cursor) {
  generation += 1;
  after = cursor;
  load(cursor ? [loadRows] : undefined);
}

function applyFilters() {
  showRangeFields();
  writeUrl();
  showRowsAfter(null);
}

form.addEventListener("change", applyFilters);
form.addEventListener("reset", () => isReadingUrl || setTimeout(applyFilters));
form.addEventListener("submit", (event) => event.preventDefault());
byId("older").addEventListener("click", () => showRowsAfter(next));
byId("newest").addEventListener("click", () => showRowsAfter(null));
window.addEventListener("popstate", () => {
  readUrl();
  showRowsAfter(null);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => load([loadTimeline, loadWeek]));
setInterval(() => load([loadCollectors, loadDevices]), STATES_EVERY_MS);
setInterval(() => load([loadTimeline, loadWeek]), CHARTS_EVERY_MS);
setInterval(() => load([loadDrift]), DRIFT_EVERY_MS);

readUrl();
listen();
