# Three targets, one direction: the core cannot see libuv, the driver cannot see Node-API.
{
  'variables': {
    'sluice_tests%': 0,
    'sluice_sanitize%': '',
    'sluice_coverage%': 0,
    'c_warnings': [
      '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-Wshadow', '-Wstrict-prototypes', '-Wmissing-prototypes',
      '-Wvla', '-Wundef', '-Wcast-align', '-Wwrite-strings',
    ],
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'cflags': ['-fvisibility=hidden', '-fno-strict-overflow'],
    'conditions': [
      ['sluice_sanitize!=""', {
        'cflags': ['-fsanitize=<(sluice_sanitize)', '-fno-omit-frame-pointer', '-g', '-O1'],
        'ldflags': ['-fsanitize=<(sluice_sanitize)'],
      }],
      ['sluice_coverage==1', {
        'cflags': ['--coverage', '-O0'],
        'ldflags': ['--coverage'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'sluice_core',
      'type': 'static_library',
      # Node's headers are taken away, so that #include <uv.h> or <node_api.h> in the core does not compile.
      'include_dirs!': ['<(node_root_dir)/include/node', '<(node_root_dir)/src', '<(node_root_dir)/deps/uv/include'],
      'include_dirs/': [['exclude', '.*']],
      'cflags_c': ['-std=c11', '-O3', '<@(c_warnings)'],
      'xcode_settings': {'GCC_C_LANGUAGE_STANDARD': 'c11'},
      'sources': [
        'src/core/backoff.c',
        'src/core/bucket.c',
        'src/core/check.c',
        'src/core/common.c',
        'src/core/engine.c',
        'src/core/err.c',
        'src/core/gate.c',
        'src/core/grant.c',
        'src/core/items.c',
        'src/core/job.c',
        'src/core/limiter.c',
        'src/core/look.c',
        'src/core/mailbox.c',
        'src/core/open.c',
        'src/core/recorder.c',
        'src/core/rng.c',
        'src/core/semaphore.c',
        'src/core/slab.c',
        'src/core/waiter.c',
        'src/core/wheel.c',
        'src/core/window.c',
      ],
    },
    {
      'target_name': 'sluice_uv',
      'type': 'static_library',
      'dependencies': ['sluice_core'],
      'defines': ['_GNU_SOURCE'],
      'cflags_c': ['-std=gnu11', '-O3', '<@(c_warnings)'],
      'sources': [
        'src/uv/commons.c',
        'src/uv/driver.c',
        'src/uv/dump.c',
        'src/uv/flight.c',
        'src/uv/heap.c',
        'src/uv/names.c',
        'src/uv/pulse.c',
        'src/uv/recording.c',
        'src/uv/report.c',
        'src/uv/trace.c',
        'src/uv/watchdog.c',
      ],
    },
    {
      'target_name': 'sluice',
      'dependencies': ['sluice_core', 'sluice_uv'],
      'include_dirs': ['<!@(node -p "require(\'node-addon-api\').include")'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags_cc': ['-Wall', '-Wextra', '-Werror'],
      'sources': [
        'src/node/addon.cc',
        'src/node/callback.cc',
        'src/node/environment.cc',
        'src/node/recorder.cc',
        'src/node/watch.cc',
      ],
      # A libuv symbol that the running Node lacks is then an error of require(), not of its first call.
      'conditions': [['OS=="linux"', {'ldflags': ['-Wl,-z,now']}]],
    },
  ],
  'conditions': [
    # node-gyp rebuild -- -Dsluice_tests=1; test/core/run.sh builds the same without node-gyp.
    ['sluice_tests==1', {
      'targets': [
        {
          'target_name': 'sluice_core_tests',
          'type': 'executable',
          'dependencies': ['sluice_core'],
          'include_dirs!': ['<(node_root_dir)/include/node', '<(node_root_dir)/src', '<(node_root_dir)/deps/uv/include'],
          'include_dirs/': [['exclude', '.*'], ['include', '^src/core$'], ['include', '^test/core/uv$']],
          'include_dirs': ['src/core', 'test/core/uv'],
          'cflags_c': ['-std=c11', '<@(c_warnings)'],
          'xcode_settings': {'GCC_C_LANGUAGE_STANDARD': 'c11'},
          'sources': ['src/uv/trace.c', '<!@(ls test/core/*.c | grep -v fuzz_mailbox)'],
          'conditions': [['OS=="linux"', {'libraries': ['-lm', '-lpthread']}]],
        },
      ],
    }],
  ],
}
