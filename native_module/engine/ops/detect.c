// SPDX-License-Identifier: MIT
//
// DETECT: boxes around objects, the best of those that overlap (non-maximum suppression). Nothing is sorted: a few boxes are
// wanted of many, so each next best one is looked for.
#include "check.h"

hog_error_t hog_check_detect(hog_t *h, const void *record) {
    const hog_detect_t *op = record;
    if (op->classes == 0 || op->columns - op->classes > 1 || op->coordinates < 4) {
        return E_COUNTS;
    }
    // Each search for the next best box reads all scores and compares with those that are chosen.
    uint32_t searches = hog_times(op->boxes, op->max_per_class ? op->classes : 1);
    hog_add_work(h, hog_times(op->boxes, op->columns));
    hog_add_work(h, hog_times(searches, op->boxes / 2 + op->detections / 2 + op->max_per_class));
    uint32_t many = hog_times(op->detections, 4);
    const hog_extent_t tensors[] = {
        {op->in, hog_times(hog_times(op->boxes, op->coordinates), 4), 4},
        {op->out, hog_times(many, 4), 4},
        {op->scores, hog_times(hog_times(op->boxes, op->columns), 4), 4},
        {op->out_classes, many, 4},
        {op->out_scores, many, 4},
        {op->out_count, 4, 4},
        {op->scratch, op->max_per_class == 0 ? hog_times(op->boxes, 4) : hog_times(op->max_per_class, 16), 4},
    };
    hog_error_t error = hog_check_apart(h, tensors, 7);
    if (error) {
        return error;
    }
    uint32_t anchors = hog_times(op->boxes, 16);
    if (!hog_in_either(h, op->anchors, anchors, 4)) {
        return E_OPERAND;
    }
    for (unsigned i = 0; i < 7; ++i) {
        if (hog_overlap(op->anchors, anchors, tensors[i].ref, tensors[i].size)) {
            return E_OVERLAP;
        }
    }
    for (unsigned i = 0; i < 4; ++i) {
        if (!hog_is_scale(op->scale[i])) {
            return E_SCALE;
        }
    }
    return 0 < op->overlap_threshold && op->overlap_threshold <= 1 ? E_OK : E_SCALE;
}

typedef struct {
    float top, left, bottom, right;
} box_t;

// What is chosen from: a score for each box, and the last one that was looked at.
typedef struct {
    const hog_detect_t *op;
    const float *boxes, *anchors, *scores;
    uint32_t stride;    // of the scores
    bool begun;
    float score;
    uint32_t box;
} search_t;

// TFLM decodes boxes in double. So that corners, differences of numbers of about the same size, are the same float32,
// they are computed as unevaluated sums of two floats, by the methods of Dekker and Knuth.
typedef struct {
    float hi, lo;
} pair_t;

static pair_t sum(float a, float b) {
    pair_t s = {a + b, 0};
    float part = s.hi - a;
    s.lo = (a - (s.hi - part)) + (b - part);
    return s;
}

static pair_t halves(float a) {
    float x = a * 4097.0f, hi = x - (x - a);
    return (pair_t) {hi, a - hi};
}

static pair_t product(float a, float b) {
    pair_t x = halves(a), y = halves(b), p = {a * b, 0};
    p.lo = x.hi * y.hi - p.hi;
    p.lo = p.lo + x.hi * y.lo;
    p.lo = p.lo + x.lo * y.hi;
    p.lo = p.lo + x.lo * y.lo;
    return p;
}

static pair_t join(pair_t a, pair_t b) {
    pair_t s = sum(a.hi, b.hi);
    return sum(s.hi, s.lo + (a.lo + b.lo));
}

static pair_t multiply(pair_t a, pair_t b) {
    pair_t p = product(a.hi, b.hi);
    return sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static pair_t divide(pair_t a, float b) {
    float q = a.hi / b;
    pair_t p = product(q, b);
    return sum(q, (((a.hi - p.hi) - p.lo) + a.lo) / b);
}

static pair_t scaled(pair_t a, float power) { // of two
    return (pair_t) {a.hi * power, a.lo * power};
}

// As hog_exp(), of an eighth of the remainder, to the eighth power.
static pair_t exp_pair(pair_t x) {
    if (!(x.hi < 87.0f) || x.hi < -80.0f) {
        return (pair_t) {hog_exp(x.hi), 0};
    }
    float t = x.hi * 1.44269504f;
    int32_t n = (int32_t)(t + (t < 0 ? -0.5f : 0.5f));
    pair_t r = product((float)n, 2.12194440e-4f);
    r.lo = r.lo + (float)n * -1.64659497e-12f;
    r = scaled(join(sum(x.hi - (float)n * 0.693359375f, x.lo), r), 0.125f);
    float z = r.hi, rest = 1.98412698e-4f;
    rest = rest * z + 1.38888889e-3f;
    rest = rest * z + 8.33333333e-3f;
    rest = rest * z + 4.16666667e-2f;
    pair_t square = multiply(r, r), y = divide(multiply(square, r), 6.0f);
    y.lo = y.lo + rest * (z * z) * (z * z);
    y = join(join(y, scaled(square, 0.5f)), r);
    y = join((pair_t) {1.0f, 0}, y);
    for (unsigned i = 0; i < 3; ++i) {
        y = multiply(y, y);
    }
    return scaled(y, hog_power_of_two(n));
}

static float center(float in, float scale, float size, float at) {
    pair_t x = join(multiply(divide((pair_t) {in, 0}, scale), (pair_t) {size, 0}), (pair_t) {at, 0});
    return x.hi + x.lo;
}

static float half_size(float in, float scale, float size) {
    pair_t x = multiply(scaled(exp_pair(divide((pair_t) {in, 0}, scale)), 0.5f), (pair_t) {size, 0});
    return x.hi + x.lo;
}

static box_t decode(const search_t *s, uint32_t i) {
    const float *in = s->boxes + (size_t)i * s->op->coordinates, *anchor = s->anchors + (size_t)i * 4, *scale = s->op->scale;
    float y = center(in[0], scale[0], anchor[2], anchor[0]), x = center(in[1], scale[1], anchor[3], anchor[1]);
    float half_h = half_size(in[2], scale[2], anchor[2]), half_w = half_size(in[3], scale[3], anchor[3]);
    return (box_t) {y - half_h, x - half_w, y + half_h, x + half_w};
}

static bool are_valid(const search_t *s) {
    for (uint32_t i = 0; i < s->op->boxes; ++i) {
        box_t b = decode(s, i);
        if (b.top >= b.bottom || b.left >= b.right) {
            return false;
        }
    }
    return true;
}

static float area(const box_t *b) {
    return (b->bottom - b->top) * (b->right - b->left);
}

static float larger(float a, float b) {
    return a < b ? b : a;
}

static float smaller(float a, float b) {
    return b < a ? b : a;
}

// Intersection over union.
static float shared(const box_t *a, const box_t *b) {
    float area_a = area(a), area_b = area(b);
    if (area_a <= 0 || area_b <= 0) {
        return 0;
    }
    float h = larger(smaller(a->bottom, b->bottom) - larger(a->top, b->top), 0);
    float w = larger(smaller(a->right, b->right) - larger(a->left, b->left), 0);
    return h * w / (area_a + area_b - h * w);
}

// The next box in the order of scores, of equal ones in the order of boxes.
static bool next_best(search_t *s) {
    bool found = false;
    float best = 0;
    uint32_t at = 0;
    const float *score = s->scores;
    for (uint32_t i = 0; i < s->op->boxes; ++i, score += s->stride) {
        bool later = !s->begun || *score < s->score || (*score == s->score && i > s->box);
        if (*score >= s->op->score_threshold && later && (!found || *score > best)) {
            found = true;
            best = *score;
            at = i;
        }
    }
    s->begun = true;
    s->score = best;
    s->box = at;
    return found;
}

// To `box` the next best one that overlaps none of the n chosen ones too much.
static bool next_apart(search_t *s, const box_t *chosen, uint32_t n, box_t *box) {
    while (next_best(s)) {
        *box = decode(s, s->box);
        uint32_t i = 0;
        while (i < n && !(shared(&chosen[i], box) > s->op->overlap_threshold)) {
            ++i;
        }
        if (i == n) {
            return true;
        }
    }
    return false;
}

static uint32_t best_class(const float *scores, uint32_t classes) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < classes; ++i) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    return best;
}

typedef struct {
    box_t *box;
    float *kind, *score;
    uint32_t n;
} found_t;

// Each box stands for its best class.
static void detect_fast(search_t *s, const float *scores, float *best, found_t *found) {
    const hog_detect_t *op = s->op;
    for (uint32_t i = 0; i < op->boxes; ++i) {
        const float *row = scores + (size_t)i * op->columns;
        best[i] = row[best_class(row, op->classes)];
    }
    s->scores = best;
    s->stride = 1;
    while (found->n < op->detections && next_apart(s, found->box, found->n, &found->box[found->n])) {
        found->kind[found->n] = (float)best_class(scores + (size_t)s->box * op->columns, op->classes);
        found->score[found->n++] = s->score;
    }
}

// Behind those of the same score.
static void insert(found_t *found, uint32_t most, const box_t *box, uint32_t kind, float score) {
    uint32_t i = found->n;
    if (i < most) {
        ++found->n;
    } else if (score > found->score[i - 1]) {
        --i;
    } else {
        return;
    }
    for (; i != 0 && score > found->score[i - 1]; --i) {
        found->box[i] = found->box[i - 1];
        found->kind[i] = found->kind[i - 1];
        found->score[i] = found->score[i - 1];
    }
    found->box[i] = *box;
    found->kind[i] = (float)kind;
    found->score[i] = score;
}

// Each class for itself, then the best of all.
static void detect_each_class(search_t *s, const float *scores, box_t *chosen, found_t *found) {
    const hog_detect_t *op = s->op;
    s->stride = op->columns;
    for (uint32_t k = 0; k < op->classes; ++k) {
        s->scores = scores + k;
        s->begun = false;
        for (uint32_t n = 0; n < op->max_per_class && next_apart(s, chosen, n, &chosen[n]); ++n) {
            insert(found, op->detections, &chosen[n], k, s->score);
        }
    }
}

void hog_detect(const hog_t *h, void *arena, const void *record) {
    const hog_detect_t *op = record;
    search_t s = {.op = op, .boxes = hog_at(h, arena, op->in), .anchors = hog_at(h, arena, op->anchors)};
    found_t found = {hog_at(h, arena, op->out), hog_at(h, arena, op->out_classes), hog_at(h, arena, op->out_scores), 0};
    // A background comes first.
    const float *scores = (const float *)hog_at(h, arena, op->scores) + (op->columns - op->classes);
    void *scratch = hog_at(h, arena, op->scratch);
    memset(found.box, 0, (size_t)op->detections * sizeof(box_t));
    memset(found.kind, 0, (size_t)op->detections * 4);
    memset(found.score, 0, (size_t)op->detections * 4);
    if (are_valid(&s)) {
        if (op->max_per_class == 0) {
            detect_fast(&s, scores, scratch, &found);
        } else {
            detect_each_class(&s, scores, scratch, &found);
        }
    }
    if (found.n < op->detections) { // a box that was looked at last
        memset(&found.box[found.n], 0, sizeof(box_t));
    }
    *(float *)hog_at(h, arena, op->out_count) = (float)found.n;
}
