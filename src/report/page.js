// Chooses what is shown, draws the charts in the theme's colours, and hands out their pictures and numbers.
// All numbers of the text are in the page already; this script makes none but the heat maps' captions.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const charts = new Map();  // name -> {view, rows, columns}
  let choice = {pair: 0, data: 0, cut: 0};

  // --- numbers ---------------------------------------------------------------------------------------------------
  const sign = (text) => text.replace("-", "\u2212");
  function significant(x, digits = 3) {
    if (x === null || x === undefined) return "\u2013";
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size < 1e-4 || size >= 1e7) return sign(x.toExponential(digits - 1).replace("e+", "e"));
    const power = Math.floor(Math.log10(size));
    if (power >= digits) return sign(String(Math.round(x / 10 ** (power - digits + 1)) * 10 ** (power - digits + 1)));
    return sign(x.toPrecision(digits));
  }
  const factor = (log2) => (log2 >= 0 ? "\u00d7 " : "\u00f7 ") + significant(2 ** Math.abs(log2), 2);
  function pText(p) {
    if (p === null || p === undefined) return "not tested";
    if (p < 0.001) return "p < .001";
    return "p = " + (p > 0.995 ? "1" : p.toFixed(p < 0.01 ? 3 : 2).slice(1));
  }

  // --- theme -----------------------------------------------------------------------------------------------------
  const wanted = new URLSearchParams(location.search).get("theme");
  let stored = null;
  try { stored = localStorage.getItem("circuitdiff-theme"); } catch (e) { /* not allowed here: nothing is remembered */ }
  if (wanted || stored) root.dataset.theme = wanted || stored;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  one("#theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("circuitdiff-theme", root.dataset.theme); } catch (e) { /* as above */ }
    drawAll();
  });
  system.addEventListener("change", drawAll);

  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  function themed(spec) {
    if (typeof spec === "string") return /^\$[a-z]+$/.test(spec) ? colour(spec.slice(1)) : spec;
    if (Array.isArray(spec)) return spec.map(themed);
    if (spec && typeof spec === "object") {
      const out = {};
      for (const [key, value] of Object.entries(spec)) out[key] = key === "values" && value.length && typeof value[0] === "object" ? value : themed(value);
      return out;
    }
    return spec;
  }
  function config() {
    const ink = colour("ink"), muted = colour("muted"), line = colour("line");
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: colour("page"), font,
      view: {stroke: null},
      axis: {labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12,
             titleFontWeight: "normal", gridOpacity: .6},
      header: {labelColor: ink, labelFontSize: 13},
      text: {color: ink},
      scale: {nullColor: line},
    };
  }

  // --- charts ----------------------------------------------------------------------------------------------------
  const specs = new Map(Object.entries(data.charts));
  function fitted(name, figure) {
    const width = Math.max(220, figure.clientWidth);
    const spec = structuredClone(specs.get(name));
    const panels = new Set(spec.data.values.map((r) => r.panel)).size;
    const columns = Math.max(1, Math.min(panels, Math.floor(width / 165), 4));
    spec.columns = columns;
    // Labels of the vertical axis take room once, or in each panel where each has its own.
    const own = spec.resolve && spec.resolve.axis && spec.resolve.axis.y === "independent";
    const labels = own ? columns * 52 + (columns - 1) * spec.spacing + 12 : 76 + (columns - 1) * 37;
    spec.spec.width = Math.max(90, Math.min(320, Math.floor((width - labels) / columns)));
    return spec;
  }
  async function draw(name, spec, rows, columns, large) {
    const figure = one(`[data-chart="${name}"]`), plot = one(".plot", figure);
    const old = charts.get(name);
    const result = await vegaEmbed(plot, {...themed(spec), config: config()}, {
      actions: false, renderer: large ? "canvas" : "svg",
      tooltip: {theme: "circuitdiff", sanitize: (x) => String(x).replace(/&/g, "&amp;").replace(/</g, "&lt;"), formatTooltip: tooltip},
    });
    if (old) old.view.finalize();
    charts.set(name, {view: result.view, rows, columns});
    const table = one(".as-table", figure);
    if (table.open) fillTable(name);
    return result.view;
  }
  function tooltip(value, clean) {
    if (typeof value !== "object" || value === null) return clean(value);
    return "<table>" + Object.entries(value).filter(([, v]) => v !== undefined && v !== "" && v !== "undefined")
      .map(([k, v]) => `<tr><td class="key">${clean(k)}</td><td class="value">${clean(v)}</td></tr>`).join("") + "</table>";
  }
  function drawPlain() {
    const jobs = [];
    for (const name of specs.keys()) {
      const figure = one(`[data-chart="${name}"]`);
      if (!figure) continue;
      const rows = specs.get(name).data.values;
      jobs.push(draw(name, fitted(name, figure), rows, Array.from(new Set(rows.flatMap((r) => Object.keys(r))))));
    }
    return jobs;
  }

  // --- heat maps -------------------------------------------------------------------------------------------------
  let cursor = null;  // index of the chosen edge's row
  const sum = (xs) => xs.reduce((total, x) => total + (x || 0), 0);
  function rowsOf(map, sources, destinations) {
    return map.s.map((s, i) => ({
      s: sources[s], d: destinations[map.d[i]], edge: sources[s] + " \u2192 " + destinations[map.d[i]], v: map.v[i], p: map.p[i],
      before: significant(map.b[i]), after: significant(map.a[i]), times: map.v[i] === null ? "undefined" : factor(map.v[i]),
      ratio: map.v[i] === null ? "undefined" : `${significant(2 ** map.v[i], 2)} (${factor(map.v[i])})`,
      interval: map.lo[i] === null ? "" : `[${significant(map.lo[i], 2)}, ${significant(map.hi[i], 2)}]`, corrected: pText(map.p[i]),
      row: s, column: map.d[i],
    }));
  }
  const heatColumns = ["edge", "before", "after", "ratio", "interval", "corrected"];
  function drawMaps() {
    if (!one("#figure-heat")) return [];
    const map = data.maps[`${choice.pair}|${choice.data}|${choice.cut}`];
    const empty = !map;
    all("#figure-heat, #figure-layers, .scale, .switch").forEach((e) => { e.hidden = empty; });
    let note = one("#no-map");
    if (!note) {
      note = document.createElement("p");
      note.id = "no-map";
      note.textContent = "This pair was not compared at this cut.";
      one(".maps").before(note);
    }
    note.hidden = !empty;
    if (empty) return [];
    const graph = data.graphs[map.graph];
    const jobs = [];
    const make = (name, part, sources, destinations) => {
      const rows = rowsOf(part, sources, destinations);
      if (divide) for (const r of rows) {
        if (r.v === null) continue;
        r.v -= whole;
        r.beside = factor(r.v);
      }
      const spec = structuredClone(graph[name]);
      const space = one(".maps").clientWidth - 76;
      const step = Math.max(5, Math.min(name === "heat" ? 27 : destinations.length > 16 ? 12 : 30, Math.floor(space / destinations.length)));
      spec.width = {step};
      spec.height = {step};
      spec.data.values = rows;
      spec.layer[0].encoding.color.scale.domain = [-clip, 0, clip];
      spec.params[0].value = one("#fade").checked;
      jobs.push(draw(name, spec, rows, name === "heat" ? heatColumns : heatColumns.slice(0, 4), rows.length > 3000).then((view) => {
        if (name === "heat") view.addEventListener("click", (event, item) => { if (item && item.datum && item.datum.edge) choose(rows.findIndex((r) => r.edge === item.datum.edge)); });
      }));
      return rows;
    };
    const whole = Math.log2(sum(map.edges.a) / sum(map.edges.b));
    const divide = one("#divide").checked && Number.isFinite(whole);
    const clip = divide ? map.edges.clip_beside_whole || 1 : map.edges.clip;
    one("#whole").textContent = Number.isFinite(whole) ? `(${factor(whole)})` : "";
    const rows = make("heat", map.edges, graph.sources, graph.destinations);
    make("layers", map.layers, graph.layer_sources, graph.layer_destinations);
    const c = factor(clip).slice(2);
    one(".scale .low").textContent = `weaker after: \u00f7 ${c} or less`;
    one(".scale .high").textContent = `\u00d7 ${c} or more: stronger after`;
    const known = rows.filter((r) => r.v !== null), sure = known.filter((r) => r.p !== null && r.p <= .05);
    const top = known.reduce((m, r) => (m === null || r.v > m.v ? r : m), null), low = known.reduce((m, r) => (m === null || r.v < m.v ? r : m), null);
    const tested = rows.some((r) => r.p !== null);
    const where = [data.pairs[choice.pair], data.data.length > 1 ? data.data[choice.data] : null, data.cuts[choice.cut]].filter(Boolean).join(", ");
    one("#caption-heat .said-by-script").textContent = `${where}, n = ${map.n} questions. ` +
      (tested ? `${sure.length} of ${rows.length} edges change beyond chance (sign flips of the questions, corrected over the edges). ` : `${rows.length} edges. `) +
      (top && low ? `They run from ${low.edge} (${low.times}) to ${top.edge} (${top.times}). ` : "") +
      (divide ? `Colours show what is left after dividing by the change of the whole, ${factor(whole)}; the test is of the undivided change. ` : "") +
      `Colours end at the 99th percentile of the changes, a factor of ${c} either way. Blank cells cannot exist: their source is computed later than their destination. A weak edge can change by a large factor and still carry little.`;
    cursor = null;
    one(".edge-detail").textContent = "Point at a cell, or reach the map with Tab and move with the arrow keys.";
    return jobs;
  }
  function choose(index) {
    const chart = charts.get("heat");
    if (!chart || index < 0) return;
    cursor = index;
    const r = chart.rows[index];
    chart.view.signal("chosen", r.edge).runAsync();
    one(".edge-detail").textContent = `${r.edge}: mean absolute score ${r.before} before, ${r.after} after; ratio ${r.ratio} ${r.interval}` +
      (r.beside ? `, ${r.beside} beside the whole` : "") +
      (r.p === null ? "" : `, ${r.corrected} corrected over the edges`) + ".";
    const spread = spreadPicture(index);
    if (spread) one(".edge-detail").append(spread);
  }
  // The edge's absolute scores over the questions: 5 to 95 % as a line, the middle half as a bar, the median as a dot.
  function spreadPicture(index) {
    const map = data.maps[`${choice.pair}|${choice.data}|${choice.cut}`].edges;
    if (!map.qb) return null;
    const rows = [["before", map.qb[index], "b"], ["after", map.qa[index], "a"]];
    const values = rows.flatMap((r) => r[1]), high = Math.max(...values), low = Math.min(...values);
    if (!(high > 0)) return null;
    const log = low > 0 && high / low > 30;
    const place = (v) => 60 + 330 * (log ? Math.log(v / low) / Math.log(high / low) : v / high);
    const box = document.createElement("div"), name = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(name, "svg");
    svg.setAttribute("viewBox", "0 0 400 58");
    svg.setAttribute("class", "spread");
    svg.setAttribute("role", "img");
    const add = (tag, attributes, text) => {
      const e = document.createElementNS(name, tag);
      for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
      if (text) e.textContent = text;
      svg.append(e);
    };
    rows.forEach(([label, q, side], i) => {
      const y = 11 + 18 * i;
      add("text", {x: 0, y: y + 4, class: side}, label);
      add("line", {x1: place(q[0]), x2: place(q[4]), y1: y, y2: y, class: "line " + side});
      add("line", {x1: place(q[1]), x2: Math.max(place(q[3]), place(q[1]) + 1), y1: y, y2: y, class: "bar " + side});
      add("circle", {cx: place(q[2]), cy: y, r: 3, class: "median"});
    });
    add("text", {x: 60, y: 54}, significant(log ? low : 0, 2));
    add("text", {x: 390, y: 54, "text-anchor": "end"}, significant(high, 2));
    add("text", {x: 225, y: 54, "text-anchor": "middle"}, "over questions" + (log ? ", log axis" : ""));
    svg.setAttribute("aria-label", rows.map(([label, q]) => `${label}: median ${significant(q[2])}, 5 to 95 % from ${significant(q[0])} to ${significant(q[4])}`).join("; "));
    box.append(svg);
    return box;
  }
  function move(event) {
    const steps = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]};
    const step = steps[event.key], chart = charts.get("heat");
    if (!step || !chart) return;
    event.preventDefault();
    if (cursor === null) return choose(0);
    const from = chart.rows[cursor];
    let best = -1, distance = Infinity;  // the nearest edge in that direction, in the same row or column
    chart.rows.forEach((r, i) => {
      const along = step[0] ? (r.column === from.column ? (r.row - from.row) * step[0] : 0) : (r.row === from.row ? (r.column - from.column) * step[1] : 0);
      if (along > 0 && along < distance) { distance = along; best = i; }
    });
    if (best >= 0) choose(best);
  }

  // --- pictures and numbers of a chart -----------------------------------------------------------------------------
  const shownColumns = (chart) => chart.columns.filter((c) => c !== "log" && c !== "total");
  function fillTable(name) {
    const chart = charts.get(name), box = one(`[data-chart="${name}"] .as-table .wide`);
    if (!chart) return;
    const columns = shownColumns(chart), table = document.createElement("table");
    const add = (parent, tag, text, scope) => {
      const cell = document.createElement(tag);
      cell.textContent = text;
      if (scope) cell.scope = scope;
      parent.append(cell);
    };
    const head = table.createTHead().insertRow();
    columns.forEach((c) => add(head, "th", c, "col"));
    const body = table.createTBody();
    chart.rows.forEach((r) => {
      const line = body.insertRow();
      columns.forEach((c, i) => add(line, i ? "td" : "th", typeof r[c] === "number" ? significant(r[c]) : r[c] ?? "", i ? null : "row"));
    });
    box.replaceChildren(table);
  }
  function save(url, name) {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
  }
  const csvCell = (x) => (x === null || x === undefined ? "" : /[",\n]/.test(String(x)) ? `"${String(x).replace(/"/g, '""')}"` : String(x));
  async function saveAs(name, kind) {
    const chart = charts.get(name);
    if (!chart) return;
    const file = ["circuitdiff", data.name, name].filter(Boolean).join("-").replace(/[^\w.-]+/g, "_") + "." + kind;
    if (kind === "png") return save(await chart.view.toImageURL("png", 2), file);
    const blob = (text, type) => URL.createObjectURL(new Blob([text], {type}));
    if (kind === "svg") return save(blob(await chart.view.toSVG(), "image/svg+xml"), file);
    let lines;
    if (name === "heat" || name === "layers") {
      const map = data.maps[`${choice.pair}|${choice.data}|${choice.cut}`][name === "heat" ? "edges" : "layers"];
      lines = [["source", "destination", "before", "after", "log2_ratio", "ratio_low", "ratio_high", "p_corrected"]]
        .concat(chart.rows.map((r, i) => [r.s, r.d, map.b[i], map.a[i], map.v[i], map.lo[i], map.hi[i], map.p[i]]));
    } else {
      lines = [chart.columns].concat(chart.rows.map((r) => chart.columns.map((c) => r[c])));
    }
    save(blob(lines.map((l) => l.map(csvCell).join(",")).join("\n") + "\n", "text/csv"), file);
  }

  // --- choice ------------------------------------------------------------------------------------------------------
  function readChoice() {
    for (const key of ["pair", "data", "cut"]) {
      const chosen = one(`.switches input[name="${key}"]:checked`);
      if (chosen) choice[key] = Number(chosen.value);
    }
    // A pair that was not asked this data set is shown on the first that it was.
    const asked = data.asked[choice.pair];
    if (!asked.includes(choice.data)) choice.data = asked[0];
    all('.switches input[name="data"]').forEach((input) => {
      const set = Number(input.value);
      input.disabled = !asked.includes(set);
      input.checked = set === choice.data;
    });
  }
  function show() {
    all("main [data-pair], main [data-data], main [data-cut]").forEach((e) => {
      e.hidden = ["pair", "data", "cut"].some((key) => e.dataset[key] !== undefined && Number(e.dataset[key]) !== choice[key]);
    });
  }
  function drawAll() {
    const jobs = drawMaps().concat(drawPlain());
    return Promise.all(jobs).then(() => { root.dataset.drawn = "true"; });
  }

  all(".switches").forEach((form) => {
    form.addEventListener("change", () => { readChoice(); show(); drawMaps(); });
    form.addEventListener("submit", (event) => event.preventDefault());
  });
  if (one("#divide")) one("#divide").addEventListener("change", drawMaps);
  if (one("#fade")) one("#fade").addEventListener("change", (event) => { const c = charts.get("heat"); if (c) c.view.signal("fade", event.target.checked).runAsync(); });
  if (one("#figure-heat")) {
    const plot = one("#figure-heat .plot");
    plot.addEventListener("keydown", move);
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-roledescription", "heat map");
  }
  all(".chart").forEach((figure) => {
    const name = figure.dataset.chart;
    all("[data-save]", figure).forEach((b) => b.addEventListener("click", () => saveAs(name, b.dataset.save)));
    one(".as-table", figure).addEventListener("toggle", (event) => { if (event.target.open) fillTable(name); });
  });
  let width = innerWidth, timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawAll, 200);
  });
  if ("IntersectionObserver" in window) {
    const links = new Map(all("nav a").map((a) => [a.hash.slice(1), a]));
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries)
        if (entry.isIntersecting) {
          links.forEach((a) => a.removeAttribute("aria-current"));
          const link = links.get(entry.target.id);
          if (link) link.setAttribute("aria-current", "true");
        }
    }, {rootMargin: "-15% 0px -75% 0px"});
    all("main section").forEach((s) => seen.observe(s));
  }
  // Without switches (one pair, one cut) the choice is that of what is not hidden.
  const first = one("main [data-cut]:not([hidden])[data-pair]");
  if (first) for (const key of ["pair", "data", "cut"]) choice[key] = Number(first.dataset[key] ?? 0);
  readChoice();
  show();
  drawAll();
})();
