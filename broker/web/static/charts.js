// The dashboard's charts, drawn by Plotly, each with a table of the same numbers for people who cannot see it.

// The palette of Okabe and Ito, distinguishable with every kind of color vision
// (https://jfly.uni-koeln.de/color/).
export const COLORS = {
  angry: "#D55E00", disgust: "#009E73", fear: "#CC79A7", happy: "#F0E442", sad: "#0072B2", surprise: "#56B4E9",
  neutral: "#999999",
};
export const EMOTIONS = Object.keys(COLORS);
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MAX_DEVICES = 6;
const MAX_TITLE_LENGTH = 16; // characters that fit beside the chart of one device
const HOUR_MS = 3_600_000;

/**
 * Stacked emotions by hour or day, a row for each device. `counts` is the response of /api/counts by these; the axis
 * starts `spanMs` ago, or at the first count if `spanMs` is undefined.
 */
export function drawTimeline(element, counts, group, spanMs) {
  const devices = [...new Set(counts.map((count) => count.device))];
  const rows = devices.slice(0, MAX_DEVICES);
  const traces = [];
  const stepMs = group === "hour" ? HOUR_MS : 24 * HOUR_MS;
  rows.forEach((device, row) => {
    for (const emotion of EMOTIONS) {
      const bars = counts.filter((count) => count.device === device && count.emotion === emotion);
      if (!bars.length) continue;
      traces.push({
        type: "bar", name: emotion, legendgroup: emotion, marker: {color: COLORS[emotion], line: {width: 0}},
        showlegend: !traces.some((trace) => trace.name === emotion),
        x: bars.map((count) => localTime(count[group])), y: bars.map((count) => count.observations),
        yaxis: row ? `y${row + 1}` : "y", offset: 0, width: stepMs * 0.9,
        hovertemplate: `%{y} s ${emotion}<extra>${device}</extra>`,
      });
    }
  });
  const layout = {...baseLayout(element), barmode: "stack", height: 140 + 150 * rows.length, annotations: []};
  layout.legend = {orientation: "h", y: 1, yanchor: "bottom", traceorder: "normal"};
  const gap = 0.22 / rows.length;
  layout.xaxis = {...baseAxis(element), type: "date", anchor: rows.length > 1 ? `y${rows.length}` : "y"};
  layout.xaxis.range = timeRange(counts.map((count) => localTime(count[group])), stepMs, spanMs);
  rows.forEach((device, row) => {
    const top = 1 - row / rows.length, bottom = 1 - (row + 1) / rows.length + gap;
    layout[row ? `yaxis${row + 1}` : "yaxis"] = {
      ...baseAxis(element), domain: [Math.max(0, bottom), top], rangemode: "tozero", title: {text: shorten(device)},
      nticks: 4,
    };
  });
  draw(element, traces, layout);
  const total = counts.reduce((sum, count) => sum + count.observations, 0);
  const hidden = devices.length - rows.length;
  describe(
    element, `${total} tracked-face seconds of ${devices.join(", ")}, by ${group} and emotion`,
    ["device", group, ...EMOTIONS],
    pivot(counts, (count) => `${count.device}|${localTime(count[group])}`).map(([key, byEmotion]) => [
      ...key.split("|").map((part) => part.replace("T", " ")), ...EMOTIONS.map((emotion) => byEmotion[emotion] ?? 0),
    ]),
    hidden > 0 ? `The table has ${hidden} more devices: choose one above to see its chart.` : "",
  );
}

/** Weekday by hour. `counts` is the response of /api/counts by hour. */
export function drawWeek(element, counts) {
  const cells = WEEKDAYS.map(() => Array(24).fill(0));
  for (const count of counts) {
    const time = new Date(`${localTime(count.hour)}:00Z`);
    cells[(time.getUTCDay() + 6) % 7][time.getUTCHours()] += count.observations;
  }
  const style = getComputedStyle(element);
  const wide = element.clientWidth > 500;
  const layout = {...baseLayout(element), height: 300, margin: {l: 90, r: 10, t: 10, b: 40}};
  layout.yaxis = {...baseAxis(element), autorange: "reversed", type: "category"};
  layout.xaxis = {...baseAxis(element), dtick: wide ? 3 : 6, ticksuffix: ":00", fixedrange: true};
  draw(element, [{
    showscale: wide, type: "heatmap", x: [...Array(24).keys()], y: WEEKDAYS, z: cells, xgap: wide ? 2 : 1, ygap: wide ? 2 : 1,
    colorscale: [[0, style.getPropertyValue("--low")], [1, style.getPropertyValue("--high")]],
    hovertemplate: "%{y} %{x}: %{z} s<extra></extra>", colorbar: {title: {text: "s"}, thickness: 12},
  }], layout);
  const max = Math.max(...cells.flat());
  const day = cells.findIndex((hours) => hours.includes(max));
  describe(
    element, `Tracked-face seconds by weekday and hour; most on ${WEEKDAYS[day]} at ${cells[day].indexOf(max)}:00`,
    ["weekday", ...Array(24).keys()], cells.map((hours, day) => [WEEKDAYS[day], ...hours]), "",
  );
}

/** From `spanMs` ago or the first time, whichever is earlier, to the end of the last step; local times, no offset. */
function timeRange(times, stepMs, spanMs) {
  const timesMs = times.map((time) => Date.parse(time.includes("T") ? `${time}Z` : time));
  let first = Math.min(...timesMs), last = Math.max(...timesMs) + stepMs;
  if (spanMs) {
    const now = Date.now() - new Date().getTimezoneOffset() * 60_000;
    first = Math.min(first, Math.floor((now - spanMs) / stepMs) * stepMs);
    last = Math.max(last, (Math.floor(now / stepMs) + 1) * stepMs);
  }
  return [first, last].map((timeMs) => new Date(timeMs).toISOString().slice(0, 19));
}

function shorten(device) {
  return device.length > MAX_TITLE_LENGTH ? `${device.slice(0, MAX_TITLE_LENGTH - 1)}…` : device;
}

/** A time without its offset. */
function localTime(time) {
  return time.slice(0, 16);
}

function pivot(counts, key) {
  const rows = new Map();
  for (const count of counts) {
    if (!rows.has(key(count))) rows.set(key(count), {});
    rows.get(key(count))[count.emotion] = count.observations;
  }
  return [...rows];
}

function baseLayout(element) {
  const style = getComputedStyle(element);
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 60, r: 10, t: 10, b: 40},
    font: {family: "system-ui, sans-serif", color: style.getPropertyValue("--text").trim()},
  };
}

function baseAxis(element) {
  const line = getComputedStyle(element).getPropertyValue("--line").trim();
  return {gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, automargin: true};
}

function draw(element, traces, layout) {
  window.Plotly.react(element, traces, layout, {displayModeBar: false, responsive: true});
}

function describe(element, label, columns, rows, note) {
  element.setAttribute("aria-label", label);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const tableRow = body.insertRow();
    for (const value of row) tableRow.insertCell().textContent = value;
  }
  const details = element.parentElement.querySelector("details");
  details.querySelector(".scroll").replaceChildren(table);
  details.querySelector("summary").textContent = note ? `Show as a table. ${note}` : "Show as a table";
}
