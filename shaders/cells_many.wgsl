// Cells of coarse diagonals, for reads of many places: 1,024 for each strand, a bit each.

const CELLS = 1024u;
var<private> one: array<u32, 64>;
var<private> several: array<u32, 64>;

fn cell_of(h: vec2<u32>) -> u32 {
  return ((h.x >> CELL_BITS) & (CELLS - 1u)) | select(0u, CELLS, (h.y & STRAND) != 0u);
}

fn clear_cells() {
  for (var w = 0u; w < 64u; w += 1u) {
    one[w] = 0u;
    several[w] = 0u;
  }
}

fn note_cell(h: vec2<u32>) {
  let cell = cell_of(h);
  let bit = 1u << (cell % 32u);
  let known = one[cell / 32u];
  several[cell / 32u] |= known & bit;
  one[cell / 32u] = known | bit;
}

fn compare_cells() {}

fn has_one(cell: u32) -> bool { return ((one[cell / 32u] >> (cell % 32u)) & 1u) == 1u; }

// Is another hit near, or may be? See `cluster_company`.
fn has_company(h: vec2<u32>) -> bool {
  let cell = cell_of(h);
  let strand = cell & CELLS;
  let company = ((several[cell / 32u] >> (cell % 32u)) & 1u) == 1u;
  return company || has_one(((cell + 1u) & (CELLS - 1u)) | strand) || has_one(((cell - 1u) & (CELLS - 1u)) | strand);
}
