// The page's charts, drawn by Plotly, each with the same figures as a table for whoever cannot see it.

// Okabe and Ito's colours, which people with every kind of colour vision can tell apart
// (https://jfly.uni-koeln.de/color/).
export const COLOURS = {
  angry: "#D55E00", disgust: "#009E73", fear: "#CC79A7", happy: "#F0E442", sad: "#0072B2", surprise: "#56B4E9",
  neutral: "#999999",
};
export const EMOTIONS = Object.keys(COLOURS);
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MOST_DEVICES = 6;
const LONGEST_TITLE = 16; // letters beside a chart as high as one device's
const HOUR_MS = 3_600_000;

/**
 * Stacked emotions by hour or day, a row for each device. `counts` is what /api/counts answers by these; `spanMs` begins
 * the axis so long ago, undefined where the counts do.
 */
export function drawDay(element, counts, group, spanMs) {
  const devices = [...new Set(counts.map((count) => count.device))];
  const rows = devices.slice(0, MOST_DEVICES);
  const traces = [];
  const stepMs = group === "hour" ? HOUR_MS : 24 * HOUR_MS;
  rows.forEach((device, row) => {
    for (const emotion of EMOTIONS) {
      const mine = counts.filter((count) => count.device === device && count.emotion === emotion);
      if (!mine.length) continue;
      traces.push({
        type: "bar", name: emotion, legendgroup: emotion, marker: {color: COLOURS[emotion], line: {width: 0}},
        showlegend: !traces.some((trace) => trace.name === emotion),
        x: mine.map((count) => wallTime(count[group])), y: mine.map((count) => count.observations),
        yaxis: row ? `y${row + 1}` : "y", offset: 0, width: stepMs * 0.9,
        hovertemplate: `%{y} s ${emotion}<extra>${device}</extra>`,
      });
    }
  });
  const layout = {...common(element), barmode: "stack", height: 140 + 150 * rows.length, annotations: []};
  layout.legend = {orientation: "h", y: 1, yanchor: "bottom", traceorder: "normal"};
  const gap = 0.22 / rows.length;
  layout.xaxis = {...axis(element), type: "date", anchor: rows.length > 1 ? `y${rows.length}` : "y"};
  layout.xaxis.range = span(counts.map((count) => wallTime(count[group])), stepMs, spanMs);
  rows.forEach((device, row) => {
    const top = 1 - row / rows.length, bottom = 1 - (row + 1) / rows.length + gap;
    layout[row ? `yaxis${row + 1}` : "yaxis"] = {
      ...axis(element), domain: [Math.max(0, bottom), top], rangemode: "tozero", title: {text: shortened(device)}, nticks: 4,
    };
  });
  draw(element, traces, layout);
  const total = counts.reduce((sum, count) => sum + count.observations, 0);
  const hidden = devices.length - rows.length;
  describe(
    element, `${total} tracked-face seconds of ${devices.join(", ")}, by ${group} and emotion`,
    ["device", group, ...EMOTIONS],
    pivot(counts, (count) => `${count.device}|${wallTime(count[group])}`).map(([key, byEmotion]) => [
      ...key.split("|").map((word) => word.replace("T", " ")), ...EMOTIONS.map((emotion) => byEmotion[emotion] ?? 0),
    ]),
    hidden > 0 ? `${hidden} more devices are in the table: choose one above to see its chart.` : "",
  );
}

/** Weekday by hour. `counts` is what /api/counts answers by hour. */
export function drawWeek(element, counts) {
  const cells = WEEKDAYS.map(() => Array(24).fill(0));
  for (const count of counts) {
    const moment = new Date(`${wallTime(count.hour)}:00Z`);
    cells[(moment.getUTCDay() + 6) % 7][moment.getUTCHours()] += count.observations;
  }
  const style = getComputedStyle(element);
  const wide = element.clientWidth > 500;
  const layout = {...common(element), height: 300, margin: {l: 90, r: 10, t: 10, b: 40}};
  layout.yaxis = {...axis(element), autorange: "reversed", type: "category"};
  layout.xaxis = {...axis(element), dtick: wide ? 3 : 6, ticksuffix: ":00", fixedrange: true};
  draw(element, [{
    showscale: wide, type: "heatmap", x: [...Array(24).keys()], y: WEEKDAYS, z: cells, xgap: wide ? 2 : 1, ygap: wide ? 2 : 1,
    colorscale: [[0, style.getPropertyValue("--low")], [1, style.getPropertyValue("--high")]],
    hovertemplate: "%{y} %{x}: %{z} s<extra></extra>", colorbar: {title: {text: "s"}, thickness: 12},
  }], layout);
  const most = Math.max(...cells.flat());
  const day = cells.findIndex((hours) => hours.includes(most));
  describe(
    element, `Tracked-face seconds by weekday and hour; most on ${WEEKDAYS[day]} at ${cells[day].indexOf(most)}:00`,
    ["weekday", ...Array(24).keys()], cells.map((hours, day) => [WEEKDAYS[day], ...hours]), "",
  );
}

/** From `spanMs` ago or the first moment, whichever is earlier, to the end of the last; wall times without offset. */
function span(moments, stepMs, spanMs) {
  const known = moments.map((moment) => Date.parse(moment.includes("T") ? `${moment}Z` : moment));
  let first = Math.min(...known), last = Math.max(...known) + stepMs;
  if (spanMs) {
    const now = Date.now() - new Date().getTimezoneOffset() * 60_000;
    first = Math.min(first, Math.floor((now - spanMs) / stepMs) * stepMs);
    last = Math.max(last, (Math.floor(now / stepMs) + 1) * stepMs);
  }
  return [first, last].map((moment) => new Date(moment).toISOString().slice(0, 19));
}

function shortened(device) {
  return device.length > LONGEST_TITLE ? `${device.slice(0, LONGEST_TITLE - 1)}…` : device;
}

/** A moment as clocks on the wall show it: without its offset. */
function wallTime(moment) {
  return moment.slice(0, 16);
}

function pivot(counts, key) {
  const rows = new Map();
  for (const count of counts) {
    if (!rows.has(key(count))) rows.set(key(count), {});
    rows.get(key(count))[count.emotion] = count.observations;
  }
  return [...rows];
}

function common(element) {
  const style = getComputedStyle(element);
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 60, r: 10, t: 10, b: 40},
    font: {family: "system-ui, sans-serif", color: style.getPropertyValue("--ink").trim()},
  };
}

function axis(element) {
  const line = getComputedStyle(element).getPropertyValue("--line").trim();
  return {gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, automargin: true};
}

function draw(element, traces, layout) {
  window.Plotly.react(element, traces, layout, {displayModeBar: false, responsive: true});
}

function describe(element, words, names, rows, note) {
  element.setAttribute("aria-label", words);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of names) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = value;
  }
  const details = element.parentElement.querySelector("details");
  details.querySelector(".scroll").replaceChildren(table);
  details.querySelector("summary").textContent = note ? `The same as a table. ${note}` : "The same as a table";
}
