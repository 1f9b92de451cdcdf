// Cells of coarse diagonals, for reads of few places: 256 for both strands, a bit each. Words with names,
// chosen among by `select`, stay in registers; an array would go to memory.

var<private> one_0: u32;
var<private> one_1: u32;
var<private> one_2: u32;
var<private> one_3: u32;
var<private> one_4: u32;
var<private> one_5: u32;
var<private> one_6: u32;
var<private> one_7: u32;
var<private> several_0: u32;
var<private> several_1: u32;
var<private> several_2: u32;
var<private> several_3: u32;
var<private> several_4: u32;
var<private> several_5: u32;
var<private> several_6: u32;
var<private> several_7: u32;
var<private> company_0: u32;
var<private> company_1: u32;
var<private> company_2: u32;
var<private> company_3: u32;
var<private> company_4: u32;
var<private> company_5: u32;
var<private> company_6: u32;
var<private> company_7: u32;

fn cell_of(h: vec2<u32>) -> u32 { return ((h.x >> CELL_BITS) + select(0u, 85u, (h.y & STRAND) != 0u)) & 255u; }

fn clear_cells() {
  one_0 = 0u;
  several_0 = 0u;
  one_1 = 0u;
  several_1 = 0u;
  one_2 = 0u;
  several_2 = 0u;
  one_3 = 0u;
  several_3 = 0u;
  one_4 = 0u;
  several_4 = 0u;
  one_5 = 0u;
  several_5 = 0u;
  one_6 = 0u;
  several_6 = 0u;
  one_7 = 0u;
  several_7 = 0u;
}

fn note_cell(h: vec2<u32>) {
  let cell = cell_of(h);
  let word = cell / 32u;
  let bit = 1u << (cell % 32u);
  several_0 |= select(0u, one_0 & bit, word == 0u);
  one_0 |= select(0u, bit, word == 0u);
  several_1 |= select(0u, one_1 & bit, word == 1u);
  one_1 |= select(0u, bit, word == 1u);
  several_2 |= select(0u, one_2 & bit, word == 2u);
  one_2 |= select(0u, bit, word == 2u);
  several_3 |= select(0u, one_3 & bit, word == 3u);
  one_3 |= select(0u, bit, word == 3u);
  several_4 |= select(0u, one_4 & bit, word == 4u);
  one_4 |= select(0u, bit, word == 4u);
  several_5 |= select(0u, one_5 & bit, word == 5u);
  one_5 |= select(0u, bit, word == 5u);
  several_6 |= select(0u, one_6 & bit, word == 6u);
  one_6 |= select(0u, bit, word == 6u);
  several_7 |= select(0u, one_7 & bit, word == 7u);
  one_7 |= select(0u, bit, word == 7u);
}

// All hits are noted: which cells have more than one in themselves and their neighbours?
fn compare_cells() {
  company_0 = several_0 | (one_0 << 1u) | (one_7 >> 31u) | (one_0 >> 1u) | (one_1 << 31u);
  company_1 = several_1 | (one_1 << 1u) | (one_0 >> 31u) | (one_1 >> 1u) | (one_2 << 31u);
  company_2 = several_2 | (one_2 << 1u) | (one_1 >> 31u) | (one_2 >> 1u) | (one_3 << 31u);
  company_3 = several_3 | (one_3 << 1u) | (one_2 >> 31u) | (one_3 >> 1u) | (one_4 << 31u);
  company_4 = several_4 | (one_4 << 1u) | (one_3 >> 31u) | (one_4 >> 1u) | (one_5 << 31u);
  company_5 = several_5 | (one_5 << 1u) | (one_4 >> 31u) | (one_5 >> 1u) | (one_6 << 31u);
  company_6 = several_6 | (one_6 << 1u) | (one_5 >> 31u) | (one_6 >> 1u) | (one_7 << 31u);
  company_7 = several_7 | (one_7 << 1u) | (one_6 >> 31u) | (one_7 >> 1u) | (one_0 << 31u);
}

// Is another hit near, or may be? See `cluster_company`.
fn has_company(h: vec2<u32>) -> bool {
  let cell = cell_of(h);
  let word = cell / 32u;
  let a = select(company_0, company_1, (word & 1u) != 0u);
  let b = select(company_2, company_3, (word & 1u) != 0u);
  let c = select(company_4, company_5, (word & 1u) != 0u);
  let d = select(company_6, company_7, (word & 1u) != 0u);
  let bits = select(select(a, b, (word & 2u) != 0u), select(c, d, (word & 2u) != 0u), (word & 4u) != 0u);
  return ((bits >> (cell % 32u)) & 1u) == 1u;
}
