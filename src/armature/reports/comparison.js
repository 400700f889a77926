// Sorts tables by a click on a heading, filters rows by a word, opens a picture large. The page works without it.
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0];
  table.querySelectorAll("th.sort").forEach(function (head) {
    var column = head.cellIndex;
    function sort() {
      var up = head.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("th.sort").forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      var rows = Array.prototype.slice.call(body.rows).map(function (row, place) {
        var cell = row.cells[column], text = cell.dataset.sort === undefined ? cell.textContent : cell.dataset.sort;
        return { row: row, place: place, number: text === "" ? NaN : Number(text), text: text };
      });
      rows.sort(function (a, b) {
        var numbers = !isNaN(a.number) || !isNaN(b.number);
        if (numbers && isNaN(a.number)) return 1;   // what was not measured stays last
        if (numbers && isNaN(b.number)) return -1;
        var order = numbers ? a.number - b.number : a.text.localeCompare(b.text);
        return (up ? order : -order) || a.place - b.place;
      });
      rows.forEach(function (entry) { body.appendChild(entry.row); });
    }
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
  });
});
document.querySelectorAll("input[data-filter]").forEach(function (input) {
  var table = document.getElementById(input.dataset.filter);
  input.addEventListener("input", function () {
    var wanted = input.value.trim().toLowerCase();
    Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
      row.hidden = wanted !== "" && row.cells[0].dataset.name.toLowerCase().indexOf(wanted) < 0;
    });
  });
});
var large = document.getElementById("large");
document.querySelectorAll(".pictures img").forEach(function (image) {
  image.addEventListener("click", function () { large.firstElementChild.src = image.src; large.showModal(); });
});
large.addEventListener("click", function () { large.close(); });
