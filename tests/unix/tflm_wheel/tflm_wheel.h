// SPDX-License-Identifier: MIT
//
// Tests only: declarations of the few names that native_module/tflm/shim.cpp uses, as the shared object
// inside the pinned wheel `tflite-micro` exports them. The wheel has no headers; on a board TFLM's own
// are used. Members that only take up room are storage of at least the class's size in that wheel.
#ifndef HOGNOSE_TFLM_WHEEL_H
#define HOGNOSE_TFLM_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include <new>

namespace flatbuffers {
class Verifier {
public:
    Verifier(const uint8_t *, size_t) {
    }
};
}

namespace tflite {

struct Model;
struct Operator;
enum BuiltinOperator : int32_t { };

inline const Model *GetModel(const void *bytes) {
    uint32_t root;
    __builtin_memcpy(&root, bytes, 4);
    return reinterpret_cast<const Model *>(static_cast<const uint8_t *>(bytes) + root);
}

// The wheel exports no verifier: here tflite_check() alone guards TFLM.
inline bool VerifyModelBuffer(flatbuffers::Verifier &) {
    return true;
}

extern const char *const operator_names[] __asm__("_ZZN6tflite24EnumNamesBuiltinOperatorEvE5names");
inline const char *EnumNameBuiltinOperator(BuiltinOperator op) {
    return op < 0 || op > 208 ? "" : operator_names[op];
}

namespace micro {

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
struct TFLMRegistration;
struct TfLiteTensor {
    void *quantization[2];
    float scale;
    int32_t zero_point;
    union {
        void *data;
    } data;
};
class BuiltinDataAllocator;

class IPersistentBufferAllocator {
public:
    virtual ~IPersistentBufferAllocator() {
    }
    virtual uint8_t *AllocatePersistentBuffer(size_t size, size_t alignment) = 0;
    virtual size_t GetPersistentUsedBytes() const = 0;
};

class INonPersistentBufferAllocator {
public:
    virtual ~INonPersistentBufferAllocator() {
    }
    virtual uint8_t *AllocateTemp(size_t size, size_t alignment) = 0;
    virtual void DeallocateTemp(uint8_t *buffer) = 0;
    virtual bool IsAllTempDeallocated() = 0;
    virtual TfLiteStatus ResetTempAllocations() = 0;
    virtual uint8_t *AllocateResizableBuffer(size_t size, size_t alignment) = 0;
    virtual TfLiteStatus ResizeBuffer(uint8_t *buffer, size_t size, size_t alignment) = 0;
    virtual TfLiteStatus DeallocateResizableBuffer(uint8_t *buffer) = 0;
    virtual uint8_t *GetOverlayMemoryAddress() const = 0;
    virtual TfLiteStatus ReserveNonPersistentOverlayMemory(size_t size, size_t alignment) = 0;
    virtual size_t GetNonPersistentUsedBytes() const = 0;
    virtual size_t GetAvailableMemory(size_t alignment) const = 0;
};

class SingleArenaBufferAllocator : public INonPersistentBufferAllocator, public IPersistentBufferAllocator {
public:
    SingleArenaBufferAllocator(uint8_t *buffer, size_t size);
    ~SingleArenaBufferAllocator() override;
    TfLiteStatus ResizeBuffer(uint8_t *buffer, size_t size, size_t alignment) override;
    uint8_t *AllocateResizableBuffer(size_t size, size_t alignment) override;
    TfLiteStatus DeallocateResizableBuffer(uint8_t *buffer) override;
    TfLiteStatus ReserveNonPersistentOverlayMemory(size_t size, size_t alignment) override;
    uint8_t *AllocatePersistentBuffer(size_t size, size_t alignment) override;
    uint8_t *AllocateTemp(size_t size, size_t alignment) override;
    void DeallocateTemp(uint8_t *buffer) override;
    bool IsAllTempDeallocated() override;
    TfLiteStatus ResetTempAllocations() override;
    uint8_t *GetOverlayMemoryAddress() const override;
    size_t GetNonPersistentUsedBytes() const override;
    size_t GetPersistentUsedBytes() const override;
    size_t GetAvailableMemory(size_t alignment) const override;
    size_t GetUsedBytes() const;
    void operator delete(void *) {
    }

private:
    void *members_[7];
};

class MicroMemoryPlanner {
public:
    virtual ~MicroMemoryPlanner() {
    }
    virtual TfLiteStatus AddBuffer(int size, int first, int last) = 0;
    virtual TfLiteStatus AddBuffer(int size, int first, int last, int offset) = 0;
    virtual size_t GetMaximumMemorySize() = 0;
    virtual int GetBufferCount() = 0;
    virtual TfLiteStatus GetOffsetForBuffer(int index, int *offset) = 0;
    virtual TfLiteStatus Init(unsigned char *buffer, int size) = 0;
    virtual bool preserves_all_tensors() const = 0;
    virtual void PrintMemoryPlan() = 0;
    void operator delete(void *) {
    }
};

class GreedyMemoryPlanner : public MicroMemoryPlanner {
public:
    GreedyMemoryPlanner();
    ~GreedyMemoryPlanner() override;
    TfLiteStatus AddBuffer(int size, int first, int last) override;
    TfLiteStatus AddBuffer(int size, int first, int last, int offset) override;
    size_t GetMaximumMemorySize() override;
    int GetBufferCount() override;
    TfLiteStatus GetOffsetForBuffer(int index, int *offset) override;
    TfLiteStatus Init(unsigned char *buffer, int size) override;
    bool preserves_all_tensors() const override;
    void PrintMemoryPlan() override;

private:
    void *members_[15];
};

class MicroProfilerInterface {
public:
    virtual ~MicroProfilerInterface() {
    }
    virtual uint32_t BeginEvent(const char *tag) = 0;
    virtual void EndEvent(uint32_t event) = 0;
};

typedef TfLiteStatus (*parse_t)(const Operator *, BuiltinDataAllocator *, void **);

class MicroOpResolver {
public:
    virtual const TFLMRegistration *FindOp(BuiltinOperator op) const = 0;
    virtual const TFLMRegistration *FindOp(const char *name) const = 0;
    virtual parse_t GetOpDataParser(BuiltinOperator op) const = 0;
    virtual ~MicroOpResolver() {
    }
};

class MicroAllocator {
public:
    static MicroAllocator *Create(SingleArenaBufferAllocator *memory, MicroMemoryPlanner *planner);
    size_t used_bytes() const;
};

class MicroResourceVariables {
public:
    static MicroResourceVariables *Create(MicroAllocator *allocator, int count);
    TfLiteStatus ResetAll();
};

class MicroInterpreter {
public:
    MicroInterpreter(const Model *model, const MicroOpResolver &resolver, MicroAllocator *allocator,
        MicroResourceVariables *variables, MicroProfilerInterface *profiler);
    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    TfLiteStatus Reset();
    TfLiteTensor *input(size_t index);
    TfLiteTensor *output(size_t index);

private:
    void *members_[64];
};

} // namespace micro

// The wheel's resolver of all operators.
class PythonOpsResolver : public micro::MicroOpResolver {
public:
    PythonOpsResolver();
    const micro::TFLMRegistration *FindOp(BuiltinOperator op) const override;
    const micro::TFLMRegistration *FindOp(const char *name) const override;
    micro::parse_t GetOpDataParser(BuiltinOperator op) const override;
    ~PythonOpsResolver() override;

private:
    void *members_[4000];
};

namespace micro {

// TFLM's class is a template that is instantiated where it is used; this one has the methods that add an
// operator, too, and leaves the finding to the wheel's resolver.
template <unsigned> class MicroMutableOpResolver : public MicroOpResolver {
public:
    const TFLMRegistration *FindOp(BuiltinOperator op) const override {
        return op == code_ ? all()->FindOp(op) : nullptr;
    }
    const TFLMRegistration *FindOp(const char *name) const override {
        return name_ && __builtin_strcmp(name, name_) == 0 ? all()->FindOp(name) : nullptr;
    }
    parse_t GetOpDataParser(BuiltinOperator op) const override {
        return op == code_ ? all()->GetOpDataParser(op) : nullptr;
    }
#define BUILTIN(code, method) \
    TfLiteStatus method() { \
        code_ = static_cast<BuiltinOperator>(code); \
        return FindOp(code_) ? kTfLiteOk : kTfLiteError; \
    }
#define CUSTOM(name, method) \
    TfLiteStatus method() { \
        name_ = name; \
        return FindOp(name_) ? kTfLiteOk : kTfLiteError; \
    }
#include "operators.h"
#undef BUILTIN
#undef CUSTOM
    void operator delete(void *) {
    }

private:
    static const MicroOpResolver *all() {
        alignas(16) static char place[sizeof(PythonOpsResolver)];
        static const MicroOpResolver *resolver = new (place) PythonOpsResolver();
        return resolver;
    }
    BuiltinOperator code_ = static_cast<BuiltinOperator>(-1);
    const char *name_ = nullptr;
};

} // namespace micro
} // namespace tflite

#endif // HOGNOSE_TFLM_WHEEL_H
