// Reads the values under the pointer into a chart's legend, and opens a picture large. The page works without it.
document.querySelectorAll("svg.chart[data-chart]").forEach(function (chart) {
  var data = JSON.parse(chart.dataset.chart), figure = chart.closest("figure"), cursor = chart.querySelector(".cursor");
  var values = figure.querySelectorAll(".legend b"), epoch = figure.querySelector(".epoch");
  var resting = epoch.textContent, last = Array.prototype.map.call(values, function (v) { return v.textContent; });
  chart.addEventListener("pointermove", function (event) {
    var box = chart.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
    var near = 0;
    data.px.forEach(function (p, i) { if (Math.abs(p - x) < Math.abs(data.px[near] - x)) near = i; });
    cursor.setAttribute("x1", data.px[near]); cursor.setAttribute("x2", data.px[near]); cursor.style.opacity = 1;
    epoch.textContent = "epoch " + data.x[near];
    Object.keys(data.lines).forEach(function (name, i) {
      var v = data.lines[name][near];
      values[i].textContent = v === null || v === undefined ? "–" : Number(v.toPrecision(4)).toString();
    });
  });
  chart.addEventListener("pointerleave", function () {
    cursor.style.opacity = 0;
    epoch.textContent = resting;
    values.forEach(function (v, i) { v.textContent = last[i]; });
  });
});
var large = document.getElementById("large");
document.querySelectorAll(".pictures img").forEach(function (img) {
  img.addEventListener("click", function () { large.querySelector("img").src = img.src; large.showModal(); });
});
large.addEventListener("click", function () { large.close(); });
