// SPDX-License-Identifier: MIT
//
// A faster main loop for rp2040js: code that runs often is translated to JavaScript, a block of instructions
// at a time; rp2040js itself steps through the rest. Both count the same cycles: a block runs only where no
// alarm can fall due inside it, and it knows registers, RAM and flash only. At anything else (a peripheral,
// an exception return, a store into translated code) it leaves with the state before that instruction.

const FLASH = 0x10000000;
const RAM = 0x20000000;
const RAM_SIZE = 0x42000;
const REGION = 0x100000; // code beyond the first megabyte of ROM, flash or RAM is not translated
const HOT = 24; // visits after which code is translated
const LONGEST = 96; // instructions in a block

const SP = 13;
const LR = 14;
const PC = 15;

// In the JavaScript of a block: r0 to r14 are the registers, as int32; n is the last result, for the flags
// N and Z; c and v are the flags C and V, 0 or 1; a and b are operands, t an address, x a scratch variable.
const ADD = 'n = a + b | 0; c = +(n >>> 0 < a >>> 0); v = ((a ^ n) & (b ^ n)) >>> 31;';
const SUB = 'n = a - b | 0; c = +(a >>> 0 >= b >>> 0); v = ((a ^ b) & (a ^ n)) >>> 31;';

const COMPARISONS = [8, 10, 11]; // TST, CMP, CMN: no result
const DATA_PROCESSING = [ // a: destination register, b: the other one
  'n = a & b;', // AND
  'n = a ^ b;', // EOR
  'b &= 255; if (b) c = b <= 32 ? (a >>> (32 - b)) & 1 : 0; n = b < 32 ? a << b : 0;', // LSL
  'b &= 255; if (b) c = b <= 32 ? (a >>> (b - 1)) & 1 : 0; n = b < 32 ? a >>> b | 0 : 0;', // LSR
  'b = Math.min(b & 255, 32); if (b) c = (a >> (b - 1)) & 1; n = a >> Math.min(b, 31);', // ASR
  'x = (a >>> 0) + (b >>> 0) + c; n = x | 0; c = +(x > 0xffffffff); v = ((a ^ n) & (b ^ n)) >>> 31;', // ADC
  'x = (a >>> 0) - (b >>> 0) - 1 + c; n = x | 0; c = +(x >= 0); v = ((a ^ b) & (a ^ n)) >>> 31;', // SBC
  'b &= 255; n = a >>> (b & 31) | a << (-b & 31); if (b) c = n >>> 31;', // ROR
  'n = a & b;', // TST
  `a = 0; ${SUB}`, // RSB
  SUB, // CMP
  ADD, // CMN
  'n = a | b;', // ORR
  'n = Math.imul(a, b);', // MUL
  'n = a & ~b;', // BIC
  'n = ~b;', // MVN
];

const GE = '(n ^ -v) >= 0';
const CONDITIONS = [
  'n === 0', 'n !== 0', 'c', '!c', 'n < 0', 'n >= 0', 'v', '!v', 'c && n !== 0', '!c || n === 0',
  GE, `!(${GE})`, `n !== 0 && ${GE}`, `n === 0 || !(${GE})`,
];

const EXTEND = ['r << 16 >> 16', 'r << 24 >> 24', 'r & 0xffff', 'r & 0xff']; // SXTH SXTB UXTH UXTB

const registersIn = (list) => [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => list & (1 << i));

/** Translates the instructions from `start`. Returns { code, cycles: of its longest way, end } or null. */
function translate(fetch, start, longest) {
  const body = [];
  const emit = (line) => body.push(line);
  let pc = start;
  let cycles = 0; // before the instruction at pc
  let worst = 0;
  let open = true;

  const leave = (to, spent) => `{ pc = ${to}; spend += ${spent}; break block; }`;
  const bail = () => `{ pc = ${pc}; spend = ~(spend + ${cycles}); break block; }`;
  const branch = (to) => {
    const spent = cycles + 2;
    worst = Math.max(worst, spent);
    return to === start ? `{ spend += ${spent}; if (spend <= room) continue; pc = ${to}; break block; }` : leave(to, spent);
  };

  // Memory: t is the offset in RAM of an access of 1, 2 or 4 bytes (1 << log2) at `address`.
  const load = (target, address, log2, signed) => {
    const from = (m) => `${target} = ${m}${signed ? 's' : 'u'}${8 << log2}[t >> ${log2}]`;
    const aligned = log2 ? ` && !(t & ${(1 << log2) - 1})` : '';
    emit(`t = ${address} - ${RAM} | 0;`);
    emit(`if (t >>> 0 < ${RAM_SIZE}${aligned}) ${from('ram.')};`);
    emit(`else { t = t + ${RAM - FLASH} | 0; if (t >>> 0 < flash.u8.length${aligned}) ${from('flash.')}; else ${bail()} }`);
    cycles += 2;
  };
  const store = (source, address, log2) => {
    const aligned = log2 ? ` && !(t & ${(1 << log2) - 1})` : '';
    emit(`t = ${address} - ${RAM} | 0;`);
    emit(`if (t >>> 0 < ${RAM_SIZE}${aligned} && !marks[t >> 2]) ram.u${8 << log2}[t >> ${log2}] = ${source}; else ${bail()}`);
    cycles += 2;
  };
  // Several words from `address` on: leaves the offset of the first one in x, in words.
  const words = (address, count, write) => {
    emit(`t = ${address} - ${RAM} | 0; x = t >> 2;`);
    let fine = `t >>> 0 <= ${RAM_SIZE - 4 * count} && !(t & 3)`;
    for (let i = 0; write && i < count; i++) fine += ` && !marks[x + ${i}]`;
    emit(`if (!(${fine})) ${bail()}`);
  };

  const alu = (d, a, b, operation) => {
    emit(`a = ${a}; b = ${b}; ${operation}${d === null ? '' : ` r${d} = n;`}`);
    cycles += 1;
  };
  const move = (line) => {
    emit(line);
    cycles += 1;
  };
  const jump = (target) => {
    emit(`x = ${target}; if (x >>> 28 === 15) ${bail()}`);
    worst = Math.max(worst, cycles + 2);
    return `{ pc = x & ~1; spend += ${cycles + 2}; break block; }`;
  };

  // Emits one instruction; false where rp2040js must step.
  function instruction(op) {
    const d = op & 7;
    const m = (op >> 3) & 7;
    const third = (op >> 6) & 7;
    const imm5 = (op >> 6) & 31;
    const imm8 = op & 255;
    const wide = (op >> 8) & 7; // the register of the forms with an 8-bit immediate
    const top = op >> 11;
    switch (top) {
      case 0: // LSL
        move(`${imm5 ? `c = (r${m} >>> ${32 - imm5}) & 1; ` : ''}n = r${d} = r${m} << ${imm5};`);
        return true;
      case 1: // LSR
        move(imm5 ? `c = (r${m} >>> ${imm5 - 1}) & 1; n = r${d} = r${m} >>> ${imm5} | 0;` : `c = r${m} >>> 31; n = r${d} = 0;`);
        return true;
      case 2: // ASR
        move(`c = (r${m} >> ${(imm5 || 32) - 1}) & 1; n = r${d} = r${m} >> ${imm5 || 31};`);
        return true;
      case 3: // ADD, SUB with a register or a small number
        alu(d, `r${m}`, op & 0x400 ? third : `r${third}`, op & 0x200 ? SUB : ADD);
        return true;
      case 4: // MOV
        move(`n = r${wide} = ${imm8};`);
        return true;
      case 5: // CMP
        alu(null, `r${wide}`, imm8, SUB);
        return true;
      case 6: // ADD
        alu(wide, `r${wide}`, imm8, ADD);
        return true;
      case 7: // SUB
        alu(wide, `r${wide}`, imm8, SUB);
        return true;
      case 8:
        return op & 0x400 ? high(op) : (alu(COMPARISONS.includes(imm5 & 15) ? null : d, `r${d}`, `r${m}`, DATA_PROCESSING[imm5 & 15]), true);
      case 9: { // LDR literal
        const address = ((pc + 4) & ~3) + 4 * imm8;
        if (address >= RAM) emit(`r${wide} = ram.u32[${(address - RAM) >> 2}];`);
        else emit(`r${wide} = ${(fetch(address) | (fetch(address + 2) << 16)) | 0};`);
        cycles += 2;
        return true;
      }
      case 10: case 11: { // load and store, address in two registers
        const address = `r${m} + r${third}`;
        const kind = (op >> 9) & 7;
        if (kind < 3) store(`r${d}`, address, [2, 1, 0][kind]);
        else load(`r${d}`, address, [0, 2, 1, 0, 1][kind - 3], kind === 3 || kind === 7);
        return true;
      }
      case 12: store(`r${d}`, `r${m} + ${4 * imm5}`, 2); return true;
      case 13: load(`r${d}`, `r${m} + ${4 * imm5}`, 2); return true;
      case 14: store(`r${d}`, `r${m} + ${imm5}`, 0); return true;
      case 15: load(`r${d}`, `r${m} + ${imm5}`, 0); return true;
      case 16: store(`r${d}`, `r${m} + ${2 * imm5}`, 1); return true;
      case 17: load(`r${d}`, `r${m} + ${2 * imm5}`, 1); return true;
      case 18: store(`r${wide}`, `r${SP} + ${4 * imm8}`, 2); return true;
      case 19: load(`r${wide}`, `r${SP} + ${4 * imm8}`, 2); return true;
      case 20: move(`r${wide} = ${((pc + 4) & ~3) + 4 * imm8};`); return true; // ADR
      case 21: move(`r${wide} = r${SP} + ${4 * imm8} | 0;`); return true;
      case 22: case 23: return miscellaneous(op);
      case 24: case 25: { // STM, LDM
        const list = registersIn(op);
        words(`r${wide}`, list.length, top === 24);
        // LDM with the base in its list loads it, too, and does not count it up.
        list.forEach((r, i) => emit(top === 24 ? `ram.u32[x + ${i}] = r${r};` : r === wide ? '' : `r${r} = ram.u32[x + ${i}];`));
        if (top === 24 || !list.includes(wide)) emit(`r${wide} = r${wide} + ${4 * list.length} | 0;`);
        else emit(`r${wide} = ram.u32[x + ${list.indexOf(wide)}];`);
        cycles += 1 + list.length;
        return true;
      }
      case 26: case 27: { // B<cond>
        const condition = CONDITIONS[(op >> 8) & 15];
        if (condition === undefined) return false;
        emit(`if (${condition}) ${branch(pc + 4 + ((op << 24) >> 23))}`);
        cycles += 1;
        return true;
      }
      case 28: // B
        emit(branch(pc + 4 + ((op << 21) >> 20)));
        open = false;
        return true;
      case 30: { // BL
        const second = fetch(pc + 2);
        if ((second & 0xd000) !== 0xd000) return false;
        const sign = (op << 21) >> 31;
        const i1 = ~((second >> 13) ^ sign) & 1;
        const i2 = ~((second >> 11) ^ sign) & 1;
        const offset = (sign << 24) | (i1 << 23) | (i2 << 22) | ((op & 0x3ff) << 12) | ((second & 0x7ff) << 1);
        emit(`r${LR} = ${(pc + 4) | 1};`);
        cycles += 1;
        emit(leave(pc + 4 + offset, cycles + 2));
        worst = Math.max(worst, cycles + 2);
        open = false;
        return true;
      }
      default:
        return false;
    }
  }

  // ADD, CMP, MOV of any registers; BX and BLX.
  function high(op) {
    const m = (op >> 3) & 15;
    const d = ((op >> 4) & 8) | (op & 7);
    const value = m === PC ? pc + 4 : `r${m}`;
    const kind = (op >> 8) & 3;
    if (kind === 3) {
      if (m === PC || op & 7) return false;
      const go = jump(`r${m}`);
      emit(`${op & 0x80 ? `r${LR} = ${(pc + 2) | 1}; ` : ''}${go}`);
      open = false;
    } else if (kind === 1) {
      if (d === PC) return false;
      alu(null, `r${d}`, value, SUB);
    } else {
      const result = kind === 2 ? value : `${d === PC ? pc + 4 : `r${d}`} + ${value} | 0`;
      if (d === PC) {
        worst = Math.max(worst, cycles + 2);
        emit(`x = ${result}; ${leave('x & ~1', cycles + 2)}`);
        open = false;
      } else {
        move(`r${d} = ${d === SP ? `(${result}) & ~3` : result};`);
      }
    }
    return true;
  }

  function miscellaneous(op) {
    const d = op & 7;
    const m = (op >> 3) & 7;
    const list = registersIn(op);
    switch ((op >> 8) & 15) {
      case 0: // ADD, SUB SP
        move(`r${SP} = r${SP} ${op & 0x80 ? '-' : '+'} ${4 * (op & 0x7f)} | 0;`);
        return true;
      case 2:
        move(`r${d} = ${EXTEND[(op >> 6) & 3].replace('r', `r${m}`)};`);
        return true;
      case 4: case 5: { // PUSH; LR takes no cycle of its own in rp2040js
        const spent = 1 + list.length;
        if (op & 0x100) list.push(LR);
        words(`r${SP} - ${4 * list.length}`, list.length, true);
        list.forEach((r, i) => emit(`ram.u32[x + ${i}] = r${r};`));
        emit(`r${SP} = r${SP} - ${4 * list.length} | 0;`);
        cycles += spent;
        return true;
      }
      case 12: case 13: { // POP
        const count = list.length + ((op >> 8) & 1);
        words(`r${SP}`, count, false);
        if (op & 0x100) emit(`if (ram.u32[x + ${list.length}] >>> 28 === 15) ${bail()}`);
        list.forEach((r, i) => emit(`r${r} = ram.u32[x + ${i}];`));
        emit(`r${SP} = r${SP} + ${4 * count} | 0;`);
        cycles += 1 + list.length;
        if (op & 0x100) {
          emit(leave(`ram.u32[x + ${list.length}] & ~1`, cycles + 2));
          worst = Math.max(worst, cycles + 2);
          open = false;
        }
        return true;
      }
      case 15:
        if (op !== 0xbf00) return false;
        cycles += 1; // NOP
        return true;
      default:
        return false;
    }
  }

  for (let i = 0; i < longest && open; i++) {
    const op = fetch(pc);
    if (!instruction(op)) break;
    pc += op >> 11 === 30 ? 4 : 2;
  }
  if (pc === start) return null;
  if (open) emit(leave(pc, cycles));
  worst = Math.max(worst, cycles);

  const text = body.join('\n');
  const used = [...Array(15).keys()].filter((i) => new RegExp(`\\br${i}\\b`).test(text));
  const written = used.filter((i) => new RegExp(`\\br${i} = `).test(text));
  const code = `
    let n = F[0], c = F[1], v = F[2], a = 0, b = 0, t = 0, x = 0, pc = 0;
    ${used.map((i) => `let r${i} = R[${i}];`).join(' ')}
    const room = limit - ${worst};
    block: for (;;) {
    ${text}
    }
    ${written.map((i) => `R[${i}] = r${i};`).join(' ')}
    F[0] = n; F[1] = c; F[2] = v; R[15] = pc;
    return spend;`;
  return { code, cycles: worst, end: pc };
}

/** The same bytes as arrays of each type of integer. */
const views = ({ buffer }) => ({
  u8: new Uint8Array(buffer), u16: new Uint16Array(buffer), u32: new Int32Array(buffer),
  s8: new Int8Array(buffer), s16: new Int16Array(buffer),
});

export class FastCore {
  /** `translating`: false leaves every instruction to rp2040js, to compare with. */
  constructor(mcu, translating = true) {
    this.mcu = mcu;
    this.core = mcu.core;
    this.halted = false; // set from inside a peripheral or a breakpoint to make run() return
    this.hot = translating ? HOT : Infinity;
    this.registers = new Int32Array(this.core.registers.buffer);
    this.flags = new Int32Array(3); // n, c, v of the blocks
    this.ram = views(mcu.sram);
    this.flash = views(mcu.flash);
    this.rom = new Uint16Array(mcu.bootrom.buffer);
    this.marks = new Uint8Array(RAM_SIZE / 4 + 16); // words of RAM that hold translated code
    this.blocks = new Array((3 * REGION) / 2).fill(null); // by index()
    this.visits = new Uint8Array(this.blocks.length);
    this.inRam = []; // indices of the blocks in RAM
    this.single = new Map(); // by opcode: data processing, where rp2040js has some flags wrong
    this.fetch = (pc) => (pc >= RAM ? this.ram.u16[(pc - RAM) >> 1] : pc >= FLASH ? this.flash.u16[(pc - FLASH) >> 1] : this.rom[pc >> 1]);
    this.watchWrites();
  }

  index(pc) {
    const offset = pc & 0x0fffffff;
    return offset < REGION ? (pc >>> 28) * (REGION / 2) + (offset >> 1) : -1;
  }

  /** rp2040js's own writes into RAM, DMA's among them, must not leave stale translations behind. */
  watchWrites() {
    for (const name of ['writeUint8', 'writeUint16', 'writeUint32']) {
      const write = this.mcu[name].bind(this.mcu);
      this.mcu[name] = (address, value) => {
        const offset = (address >>> 0) - RAM;
        if (offset >= 0 && offset < RAM_SIZE && this.marks[offset >> 2]) this.forgetRam();
        write(address, value);
      };
    }
  }

  forgetRam() {
    for (const i of this.inRam) this.blocks[i] = null;
    this.inRam = [];
    this.marks.fill(0);
  }

  /** Forgets every translation: flash that holds code has changed. */
  forgetAll() {
    this.forgetRam();
    this.blocks.fill(null);
  }

  compile(translated) {
    const make = new Function('R', 'F', 'ram', 'flash', 'marks', `return (spend, limit) => {${translated.code}}`);
    return { cycles: translated.cycles, run: make(this.registers, this.flags, this.ram, this.flash, this.marks) };
  }

  translate(pc, longest = LONGEST) {
    const translated = translate(this.fetch, pc, longest);
    const i = this.index(pc);
    if (translated === null) {
      this.blocks[i] = { cycles: Infinity, run: null }; // never fits: rp2040js steps here
    } else {
      this.blocks[i] = this.compile(translated);
    }
    if (pc >= RAM) {
      this.inRam.push(i);
      this.marks.fill(1, (pc - RAM) >> 2, ((translated?.end ?? pc + 2) - RAM + 3) >> 2);
    }
  }

  /** Runs until the core waits for an event, `halted` is set, or about `cycles` have passed. */
  run(cycles) {
    const { core, registers, blocks, visits, hot } = this;
    const end = core.cycles + cycles;
    let limit = this.horizon(end);
    let spent = 0; // cycles that neither core.cycles nor the clock know of yet
    this.loadFlags();
    while (!this.halted && !core.waiting && core.cycles < end) {
      const i = this.index(registers[PC]);
      const block = blocks[i];
      if (block && !core.interruptsUpdated) {
        if (spent + block.cycles <= limit) {
          spent = block.run(spent, limit);
          if (spent >= 0) continue;
          spent = ~spent;
        }
      } else if (!block && ++visits[i] > hot) {
        visits[i] = 0;
        this.translate(registers[PC]);
        continue;
      }
      this.spend(spent);
      spent = 0;
      this.step();
      limit = this.horizon(end);
    }
    this.spend(spent);
    this.storeFlags();
  }

  /** Cycles until the next alarm, or until `end`. */
  horizon(end) {
    const alarm = this.mcu.clock.nextAlarm;
    const rest = end - this.core.cycles;
    return alarm ? Math.min(rest, Math.ceil(((alarm.nanos - this.mcu.clock.nanos) * this.mcu.clkSys) / 1e9)) : rest;
  }

  spend(cycles) {
    if (cycles > 0) {
      this.core.cycles += cycles;
      this.mcu.clock.tick((cycles * 1e9) / this.mcu.clkSys);
    }
  }

  step() {
    const { core, mcu } = this;
    this.storeFlags();
    if (core.interruptsUpdated && core.checkForInterrupts()) core.waiting = false;
    const op = this.fetch(this.registers[PC]);
    if (op >= 0x4080 && op < 0x4200) {
      this.loadFlags();
      this.spend(this.runSingle(op));
      this.storeFlags();
    } else {
      mcu.clock.tick((core.executeInstruction() * 1e9) / mcu.clkSys);
    }
    this.loadFlags();
  }

  runSingle(op) {
    let block = this.single.get(op);
    if (!block) {
      // Translated for address 0: these instructions do not depend on where they are.
      block = this.compile(translate(() => op, 0, 1));
      this.single.set(op, block);
    }
    const next = this.registers[PC] + 2;
    block.run(0, Infinity);
    this.registers[PC] = next;
    return block.cycles;
  }

  loadFlags() {
    const { core, flags } = this;
    flags[0] = core.N ? -1 : core.Z ? 0 : 1;
    flags[1] = +core.C;
    flags[2] = +core.V;
  }

  storeFlags() {
    const { core, flags } = this;
    core.N = flags[0] < 0;
    core.Z = flags[0] === 0;
    core.C = flags[1] !== 0;
    core.V = flags[2] !== 0;
  }
}
