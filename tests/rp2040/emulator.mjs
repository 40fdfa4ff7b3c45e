#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// An emulated Raspberry Pi Pico whose USB serial port is a TCP port:
//   node emulator.mjs --firmware firmware.bin --rom rom.bin [--flash flash.img] [--port N] [--interpret]
//
// stdout: `ready PORT` when the serial port can be used; `reset` and `cut` when the board starts anew;
//         `stopped WHY` at the end.
// stdin:  `cut bytes N` or `cut flash N` pulls the cable after N more bytes from the host, or in the middle of
//         the Nth flash operation from now: the connection closes, and the board starts anew from its flash.
//         The end of stdin ends the emulator, as SIGTERM does.
// Address 0x40070000 reads the cycles since power-on (low word; it latches the high word at 0x40070004).

import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FastCore } from './core.mjs';

// Where `make emulator` installs it, or where Node looks anyway.
const require = createRequire(process.env.RP2040JS ?? new URL('../../.build/rp2040/', import.meta.url));
export const { RP2040, USBCDC, ConsoleLogger, LogLevel } = require('rp2040js');

const FLASH_BASE = 0x10000000;
const FLASH_SIZE = 2 * 1024 * 1024;
const WATCHDOG = 0x40058; // peripherals are kept by address >> 12
const CYCLE_COUNTER = 0x40070;
const TRAP = { FLASH_ERASE: 1, FLASH_PROGRAM: 2, USB_BOOT: 3, FAULT: 4, UNIMPLEMENTED: 5 }; // as in rom/rom.c

const ENUMERATION = 100e6; // ns from power-on until a program on the host can open the port
const SLICE = 2_000_000; // cycles between two looks at the sockets
const SHORTEST_SLEEP = 1e6; // ns; the system cannot sleep for less

/** The USB host: sends what is queued when the board asks, and lets it wait while there is nothing. */
class SerialHost extends USBCDC {
  constructor(usb, cut) {
    super(usb);
    this.cut = cut;
    this.open = false;
    this.queue = [];
    this.asked = 0; // bytes that the board has room for
    // Not at once: a Ctrl-C that comes while the board mounts its file system leaves it without one.
    usb.rp2040.clock.createAlarm(() => {
      this.open = true;
      this.onOpen();
      this.pump();
    }).schedule(ENUMERATION);
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint === this.outEndpoint) {
        this.asked = size;
        this.pump();
      }
    };
  }

  send(chunk) {
    this.queue.push(chunk);
    this.pump();
  }

  pump() {
    if (!this.open || this.asked === 0 || this.queue.length === 0) return;
    const chunk = this.queue.shift();
    const size = Math.min(this.asked, this.cut.bytes, chunk.length);
    if (size < chunk.length) this.queue.unshift(chunk.subarray(size));
    this.asked = 0;
    this.cut.bytes -= size;
    this.usb.endpointReadDone(this.outEndpoint, chunk.subarray(0, size));
    if (this.cut.bytes === 0) this.onCut();
  }
}

class CycleCounter {
  constructor(core) {
    this.core = core;
    this.high = 0;
  }

  readUint32(offset) {
    if (offset === 4) return this.high;
    this.high = Math.floor(this.core.cycles / 2 ** 32);
    return this.core.cycles >>> 0;
  }

  writeUint32Atomic() {}
}

function readFirmware(file) {
  const data = fs.readFileSync(file);
  if (data.length < 512 || data.readUInt32LE(0) !== 0x0a324655) return data; // .bin
  const flash = Buffer.alloc(FLASH_SIZE, 0xff); // .uf2
  let end = 0;
  for (let block = 0; block + 512 <= data.length; block += 512) {
    const offset = data.readUInt32LE(block + 12) - FLASH_BASE;
    end = Math.max(end, offset + data.copy(flash, offset, block + 32, block + 32 + data.readUInt32LE(block + 16)));
  }
  return flash.subarray(0, end);
}

/** The board's flash, and the file that keeps it: what the firmware writes is on disk at once. */
class Flash {
  constructor(firmware, file) {
    this.bytes = Buffer.alloc(FLASH_SIZE, 0xff);
    this.codeEnd = firmware.length;
    if (file) {
      this.file = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w+');
      if (fs.fstatSync(this.file).size === 0) fs.writeSync(this.file, this.bytes);
      fs.readSync(this.file, this.bytes, 0, FLASH_SIZE, 0);
    }
    this.bytes.set(firmware);
  }

  write(offset, bytes) {
    this.bytes.set(bytes, offset);
    if (this.file) fs.writeSync(this.file, bytes, 0, bytes.length, offset);
  }
}

class Board {
  constructor({ firmware, rom, flash, interpret }) {
    this.flash = new Flash(readFirmware(firmware), flash);
    this.rom = new Uint32Array(4096);
    new Uint8Array(this.rom.buffer).set(fs.readFileSync(rom));
    this.interpret = interpret;
    this.cut = { bytes: Infinity, flash: Infinity }; // left until the power is cut
    this.onOutput = this.onReady = this.onReset = this.onStopped = () => {};
    this.powerOn();
  }

  powerOn() {
    const mcu = (this.mcu = new RP2040());
    mcu.logger = new ConsoleLogger(LogLevel.Error, false);
    mcu.loadBootrom(this.rom); // this clears the flash
    mcu.flash.set(this.flash.bytes);
    mcu.onBreak = (code) => this.trap(code);
    mcu.peripherals[WATCHDOG].onWatchdogTrigger = () => this.reset('reset');
    mcu.peripherals[CYCLE_COUNTER] = new CycleCounter(mcu.core);
    this.serial = new SerialHost(mcu.usbCtrl, this.cut);
    this.serial.onSerialData = (bytes) => this.onOutput(bytes);
    this.serial.onOpen = () => this.onReady();
    this.serial.onCut = () => this.reset('cut');
    this.core = new FastCore(mcu, !this.interpret);
    this.ending = null;
    this.owed = 0; // ns of emulated waiting not yet slept
  }

  /** Lets go of this boot, from inside it: 'reset', 'cut', or why the board stopped. */
  reset(why) {
    this.ending ??= why;
    this.core.halted = true;
  }

  trap(code) {
    const { core, flash } = this.mcu;
    const [r0, r1, r2] = core.registers;
    if (code === TRAP.FLASH_ERASE) {
      this.program(r0, Buffer.alloc(r1, 0xff));
    } else if (code === TRAP.FLASH_PROGRAM) {
      const bytes = Buffer.alloc(r2);
      for (let i = 0; i < r2; i++) bytes[i] = flash[r0 + i] & this.mcu.readUint8(r1 + i);
      this.program(r0, bytes);
    } else {
      const name = Object.keys(TRAP).find((key) => TRAP[key] === code) ?? `BKPT ${code}`;
      this.reset(`${name} at ${core.PC.toString(16)}, called from ${core.LR.toString(16)}`);
    }
  }

  program(offset, bytes) {
    if (--this.cut.flash === 0) {
      bytes = bytes.subarray(0, bytes.length / 2); // torn
      this.reset('cut');
    }
    this.flash.write(offset, bytes);
    this.mcu.flash.set(bytes, offset);
    if (offset < this.flash.codeEnd) this.core.forgetAll();
  }

  send(chunk) {
    this.serial.send(chunk);
    this.wake?.();
  }

  /** Runs for ever. Computing is as fast as can be; waiting takes the time that it takes on a real board. */
  async run() {
    for (;;) {
      if (this.ending) {
        if (this.ending !== 'reset' && this.ending !== 'cut') return this.onStopped(this.ending);
        if (this.ending === 'cut') this.cut = { bytes: Infinity, flash: Infinity };
        this.onReset(this.ending);
        this.powerOn();
      }
      const { core, clock } = this.mcu;
      if (!core.waiting) {
        this.core.run(SLICE);
        if (!core.waiting) await new Promise(setImmediate);
        continue;
      }
      const pause = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
      if (this.owed + pause < SHORTEST_SLEEP) {
        clock.tick(pause);
        this.owed += pause;
        continue;
      }
      const before = process.hrtime.bigint();
      await this.sleep(Math.min(this.owed + pause, 1e9));
      const slept = Number(process.hrtime.bigint() - before);
      const passed = Math.max(0, Math.min(slept - this.owed, pause));
      this.owed = Math.max(0, this.owed - slept);
      if (this.mcu.clock === clock) clock.tick(passed);
    }
  }

  /** At most `nanos`: something to do wakes it. */
  sleep(nanos) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, nanos / 1e6);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function main() {
  const { values: options } = parseArgs({
    options: {
      firmware: { type: 'string' }, rom: { type: 'string' }, flash: { type: 'string' },
      port: { type: 'string', default: '0' }, interpret: { type: 'boolean', default: false },
    },
  });
  console.warn = () => {}; // rp2040js, at each boot: the FIFO to the second core is not there
  const say = (line) => process.stdout.write(`${line}\n`);
  const board = new Board(options);
  let client = null;

  const server = net.createServer((socket) => {
    client?.destroy(); // a serial port has one user: the latest
    client = socket.setNoDelay(true);
    socket.on('data', (chunk) => board.send(chunk));
    socket.on('error', () => {});
    socket.on('close', () => { if (client === socket) client = null; });
  });
  server.listen(Number(options.port), '127.0.0.1', () => board.run());

  board.onOutput = (bytes) => client?.write(bytes);
  board.onReady = () => {
    say(`ready ${server.address().port}`);
    board.onReady = () => {};
  };
  board.onReset = (why) => {
    client?.destroy();
    say(why);
  };
  board.onStopped = (why) => {
    say(`stopped ${why}`);
    process.exit(1);
  };

  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [, what, count] = /^cut (bytes|flash) (\d+)$/.exec(line) ?? [];
    if (what) board.cut[what] = Number(count);
    else say(`what? ${line}`);
  }).on('close', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
