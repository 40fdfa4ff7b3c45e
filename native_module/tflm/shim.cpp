// SPDX-License-Identifier: MIT

#include "shim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <new>
#include <utility>

#ifdef TFLM_HEADER
#include TFLM_HEADER
#else
#include "tensorflow/lite/micro/arena_allocator/single_arena_buffer_allocator.h"
#include "tensorflow/lite/micro/memory_planner/greedy_memory_planner.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"
#endif

// TFLM's classes moved from tflite to tflite::micro in 2026; both work.
namespace tflite {
namespace micro {
}
}
using namespace tflite;
using namespace tflite::micro;

namespace {

#define NO_DELETE public: void operator delete(void *) { }

constexpr size_t align(size_t n) {
    return (n + TFLM_ALIGN - 1) / TFLM_ALIGN * TFLM_ALIGN;
}

// Kernels use memory without asking whether they got it, so a failed allocation must not return:
// it leaves TFLM's frames, which hold nothing that wants cleaning up, for the guard that called it.
enum { LEAVE_NO_MEMORY = 1, LEAVE_MEASURED, LEAVE_ABORT };

class ShimArena : public SingleArenaBufferAllocator {
public:
    ShimArena(tflm_t *owner, uint8_t *buffer, size_t size, bool measure)
        : SingleArenaBufferAllocator(buffer, size), owner_(owner), size_(size), measure_(measure) {
    }
    uint8_t *AllocatePersistentBuffer(size_t size, size_t alignment) override {
        return claimed(SingleArenaBufferAllocator::AllocatePersistentBuffer(size, alignment), size);
    }
    uint8_t *AllocateTemp(size_t size, size_t alignment) override {
        bool fits = size <= GetAvailableMemory(alignment);
        return claimed(fits ? SingleArenaBufferAllocator::AllocateTemp(size, alignment) : nullptr, size);
    }
    // TFLM's own goes below zero, which is very much.
    size_t GetAvailableMemory(size_t alignment) const override {
        size_t available = SingleArenaBufferAllocator::GetAvailableMemory(alignment);
        return available > size_ ? 0 : available;
    }
    TfLiteStatus ResizeBuffer(uint8_t *buffer, size_t size, size_t alignment) override {
        TfLiteStatus status = SingleArenaBufferAllocator::ResizeBuffer(buffer, size, alignment);
        claimed(status == kTfLiteOk ? buffer : nullptr, size);
        return status;
    }
    TfLiteStatus ReserveNonPersistentOverlayMemory(size_t size, size_t alignment) override;
    NO_DELETE

private:
    uint8_t *claimed(uint8_t *got, size_t size);
    tflm_t *owner_;
    size_t size_;
    bool measure_;
};

class ShimPlanner : public GreedyMemoryPlanner {
public:
    explicit ShimPlanner(tflm_t *owner) : owner_(owner) {
    }
    TfLiteStatus AddBuffer(int size, int first, int last) override {
        return added(GreedyMemoryPlanner::AddBuffer(size, first, last));
    }
    TfLiteStatus AddBuffer(int size, int first, int last, int offset) override {
        return added(GreedyMemoryPlanner::AddBuffer(size, first, last, offset));
    }
    NO_DELETE

private:
    TfLiteStatus added(TfLiteStatus status);
    tflm_t *owner_;
};

class ShimProfiler : public MicroProfilerInterface {
public:
    uint32_t BeginEvent(const char *tag) override {
        if (count == capacity) {
            return UINT32_MAX;
        }
        events[count].name = tag;
        events[count].us = ticks_us();
        return (uint32_t)count++;
    }
    void EndEvent(uint32_t event) override {
        if (event < count) {
            events[event].us = ticks_us() - events[event].us;
        }
    }
    uint32_t (*ticks_us)(void) = nullptr;
    tflm_event_t *events = nullptr;
    size_t count = 0, capacity = 0;
    NO_DELETE
};

// A resolver of all operators would take kilobytes of RAM; one for each operator that the model has does not.
typedef MicroMutableOpResolver<1> ShimOperator;

// The first fits where TFLM's resolver has the method, the second everywhere else.
#define BUILTIN(code, method) \
    template <class R> auto add_builtin(R &r, std::integral_constant<int, code>, int)->decltype(r.method(), true) { \
        return r.method() == kTfLiteOk; \
    }
#define CUSTOM(name, method)
#include "operators.h"
#undef BUILTIN
#undef CUSTOM
template <class R, int code> bool add_builtin(R &, std::integral_constant<int, code>, long) {
    return false;
}
#define BUILTIN(code, method)
#define CUSTOM(name, method) \
    template <class R> auto custom_##method(R &r, int)->decltype(r.method(), true) { \
        return r.method() == kTfLiteOk; \
    } \
    template <class R> bool custom_##method(R &, long) { \
        return false; \
    }
#include "operators.h"
#undef BUILTIN
#undef CUSTOM

bool add_operator(ShimOperator &r, const tflite_code_t &code) {
    if (code.builtin != TFLITE_CUSTOM) {
        switch (code.builtin) {
#define BUILTIN(number, method) \
            case number: \
                return add_builtin(r, std::integral_constant<int, number>(), 0);
#define CUSTOM(name, method)
#include "operators.h"
#undef BUILTIN
#undef CUSTOM
            default:
                return false;
        }
    }
#define BUILTIN(number, method)
#define CUSTOM(name, method) \
    if (strcmp(code.custom, name) == 0) { \
        return custom_##method(r, 0); \
    }
#include "operators.h"
#undef BUILTIN
#undef CUSTOM
    return false;
}

class ShimResolver : public MicroOpResolver {
public:
    typedef decltype(std::declval<const ShimOperator &>().FindOp("")) registration_t;
    typedef decltype(std::declval<const ShimOperator &>().GetOpDataParser(BuiltinOperator())) parser_t;

    registration_t FindOp(BuiltinOperator op) const override {
        return find<registration_t>([op](const ShimOperator &o) { return o.FindOp(op); });
    }
    registration_t FindOp(const char *name) const override {
        return find<registration_t>([name](const ShimOperator &o) { return o.FindOp(name); });
    }
    parser_t GetOpDataParser(BuiltinOperator op) const override {
        return find<parser_t>([op](const ShimOperator &o) { return o.GetOpDataParser(op); });
    }
    ShimOperator *operators = nullptr;
    uint32_t count = 0;
    NO_DELETE

private:
    template <class T, class F> T find(F get) const {
        for (uint32_t i = 0; i < count; ++i) {
            if (T found = get(operators[i])) {
                return found;
            }
        }
        return nullptr;
    }
};

template <class T> struct ShimPlace {
    alignas(T) uint8_t bytes[sizeof(T)];
    T *get() {
        return reinterpret_cast<T *>(bytes);
    }
};

} // namespace

struct tflm {
    char text[256];             // what TFLM said
    size_t length;
    size_t missing, need;
    jmp_buf *exit;
    ShimPlace<ShimArena> arena;
    ShimPlace<ShimPlanner> planner;
    ShimPlace<MicroInterpreter> interpreter;
    ShimProfiler profiler;
    ShimResolver resolver;
    MicroAllocator *allocator;
    MicroResourceVariables *variables;
};

// DebugLog() has no argument that would tell whose text it is: that of the call that is running.
static tflm_t *speaker;

extern "C" void DebugLog(const char *format, va_list args) {
    tflm_t *t = speaker;
    if (t == nullptr) {
        return;
    }
    if (t->length && t->length < sizeof(t->text) - 2 && t->text[t->length - 1] == '\n') {
        t->text[t->length - 1] = ';';
        t->text[t->length++] = ' ';
    }
    int n = vsnprintf(t->text + t->length, sizeof(t->text) - t->length, format, args);
    t->length += n < 0 ? 0 : (size_t)n;
    if (t->length >= sizeof(t->text)) {
        t->length = sizeof(t->text) - 1;
    }
    // Lines end in \r\n, in \n, or in both; one \n is left for the next line to replace.
    bool ended = false;
    while (t->length && strchr("\r\n ", t->text[t->length - 1])) {
        ended = ended || t->text[t->length - 1] == '\n';
        --t->length;
    }
    if (ended && t->length) {
        t->text[t->length++] = '\n';
    }
    t->text[t->length] = '\0';
}

// TFLM's library has this in the same object as its own DebugLog().
extern "C" int DebugVsnprintf(char *buffer, size_t size, const char *format, va_list args) {
    return vsnprintf(buffer, size, format, args);
}

// A check inside TFLM that fails calls abort(). Linked with --wrap=abort, this makes an error of it.
extern "C" void __real_abort(void);
extern "C" void __wrap_abort(void) {
    tflm_leave();
    __real_abort();
}

void tflm_leave(void) {
    if (speaker) {
        longjmp(*speaker->exit, LEAVE_ABORT);
    }
}

static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    DebugLog(format, args);
    va_end(args);
}

uint8_t *ShimArena::claimed(uint8_t *got, size_t size) {
    size_t used = GetUsedBytes() + (got == nullptr ? size : 0);
    // TFLM itself lets persistent memory grow into temporary memory that is still in use.
    if (got == nullptr || used > size_) {
        owner_->missing = used > size_ ? used - size_ : 1;
        longjmp(*owner_->exit, LEAVE_NO_MEMORY);
    }
    return got;
}

TfLiteStatus ShimArena::ReserveNonPersistentOverlayMemory(size_t size, size_t alignment) {
    if (measure_) {
        owner_->need = GetPersistentUsedBytes() + size;
        longjmp(*owner_->exit, LEAVE_MEASURED);
    }
    return SingleArenaBufferAllocator::ReserveNonPersistentOverlayMemory(size, alignment);
}

TfLiteStatus ShimPlanner::added(TfLiteStatus status) {
    if (status != kTfLiteOk) {
        owner_->missing = 8 * sizeof(void *); // for one buffer; more may follow
        longjmp(*owner_->exit, LEAVE_NO_MEMORY);
    }
    return status;
}

template <class F> static tflm_status_t guarded(tflm_t *t, F call) {
    jmp_buf exit;
    t->exit = &exit;
    t->length = 0;
    t->text[0] = '\0';
    speaker = t;
    int left = setjmp(exit);
    tflm_status_t status = left == LEAVE_NO_MEMORY ? TFLM_NO_MEMORY : TFLM_OK;
    if (left == 0 && call() != kTfLiteOk) {
        status = TFLM_ERROR;
    }
    if (left == LEAVE_ABORT) {
        say("TFLM gave up: some value in the model or its input makes no sense to it");
        status = TFLM_ERROR;
    }
    speaker = nullptr;
    t->exit = nullptr;
    if (t->length && t->text[t->length - 1] == '\n') {
        t->text[--t->length] = '\0';
    }
    return status;
}

static TfLiteStatus resolve(tflm_t *t, tflite_t *m) {
    ShimResolver *resolver = new (&t->resolver) ShimResolver();
    resolver->operators = reinterpret_cast<ShimOperator *>(reinterpret_cast<uint8_t *>(t) + align(sizeof(tflm_t)));
    bool complete = true;
    for (uint32_t i = 0; i < m->codes.count; ++i) {
        tflite_code_t code;
        tflite_code(m, i, &code);
        ShimOperator *added = new (&resolver->operators[resolver->count++]) ShimOperator();
        if (!add_operator(*added, code) && tflite_uses_code(m, i)) {
            say("%s %s version %d", complete ? "this TFLM has no operator" : ", no", tflm_operator_name(&code),
                code.version);
            complete = false;
        }
    }
    return complete ? kTfLiteOk : kTfLiteError;
}

static tflm_status_t prepare(tflm_t *t, tflite_t *m, void *arena, size_t size, bool measure) {
    uint8_t *begin = static_cast<uint8_t *>(arena);
    size_t skip = (size_t)(-(uintptr_t)begin % TFLM_ALIGN);
    memset(static_cast<void *>(t), 0, sizeof(*t));
    memset(arena, 0, size); // some kernels read what they have not written
    return guarded(t, [=]() {
        if (resolve(t, m) != kTfLiteOk) {
            return kTfLiteError;
        }
        new (&t->profiler) ShimProfiler();
        size_t usable = size < skip ? 0 : (size - skip) / TFLM_ALIGN * TFLM_ALIGN;
        ShimArena *memory = new (&t->arena) ShimArena(t, begin + skip, usable, measure);
        ShimPlanner *planner = new (&t->planner) ShimPlanner(t);
        t->allocator = MicroAllocator::Create(memory, planner);
        uint32_t handles = tflite_count_operators(m, TFLITE_VAR_HANDLE);
        if (handles) {
            t->variables = MicroResourceVariables::Create(t->allocator, (int)handles);
        }
        MicroInterpreter *interpreter = new (&t->interpreter) MicroInterpreter(
            GetModel(m->bytes), t->resolver, t->allocator, t->variables, &t->profiler);
        return interpreter->AllocateTensors();
    });
}

bool tflm_verify(const void *bytes, size_t size) {
    flatbuffers::Verifier verifier(static_cast<const uint8_t *>(bytes), size);
    return VerifyModelBuffer(verifier);
}

const char *tflm_operator_name(const tflite_code_t *code) {
    return code->builtin == TFLITE_CUSTOM ? code->custom
        : EnumNameBuiltinOperator(static_cast<BuiltinOperator>(code->builtin));
}

size_t tflm_size(tflite_t *m) {
    return align(sizeof(tflm_t)) + m->codes.count * sizeof(ShimOperator);
}

// What a tensor and an operator take while TFLM plans, on the large side: too little means another try.
size_t tflm_work_size(tflite_t *m) {
    size_t word = sizeof(void *);
    return align(128 * word + 16 * word * tflite_count_tensors(m) + 24 * word * tflite_count_operators(m, -1));
}

tflm_status_t tflm_measure(tflm_t *t, tflite_t *m, void *work, size_t size, size_t *need) {
    tflm_status_t status = prepare(t, m, work, size, true);
    *need = align(t->need);
    return status;
}

tflm_status_t tflm_open(tflm_t *t, tflite_t *m, void *arena, size_t size) {
    return prepare(t, m, arena, size, false);
}

const char *tflm_error(const tflm_t *t) {
    return t->text;
}

size_t tflm_missing(const tflm_t *t) {
    return t->missing;
}

size_t tflm_used(const tflm_t *t) {
    return t->allocator->used_bytes();
}

void *tflm_tensor(tflm_t *t, bool output, size_t i) {
    MicroInterpreter *interpreter = t->interpreter.get();
    return (output ? interpreter->output(i) : interpreter->input(i))->data.data;
}

tflm_status_t tflm_invoke(tflm_t *t) {
    return guarded(t, [t]() { return t->interpreter.get()->Invoke(); });
}

tflm_status_t tflm_reset(tflm_t *t) {
    return guarded(t, [t]() {
        if (t->variables && t->variables->ResetAll() != kTfLiteOk) {
            return kTfLiteError;
        }
        return t->interpreter.get()->Reset();
    });
}

tflm_status_t tflm_profile(tflm_t *t, uint32_t (*ticks_us)(void), tflm_event_t *events, size_t *count) {
    ShimProfiler &profiler = t->profiler;
    profiler.ticks_us = ticks_us;
    profiler.events = events;
    profiler.count = 0;
    profiler.capacity = *count;
    tflm_status_t status = tflm_invoke(t);
    *count = profiler.count;
    profiler.count = profiler.capacity = 0;
    profiler.events = nullptr;
    return status;
}
