// Rules for what does not belong into an update for a Linux device. Few, and quiet on honest content.

rule EICAR_Test_File
{
    meta:
        description = "The EICAR anti-malware test string"
    strings:
        $text = {
            58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D
            24 45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55 53 2D
            54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A
        }
    condition:
        $text
}

rule Linux_Cryptominer
{
    meta:
        description = "A mining pool together with a wallet or the options of a miner"
    strings:
        $pool = /stratum\+(tcp|ssl|tls):\/\/[a-z0-9.-]{4,80}:[0-9]{2,5}/ nocase
        $wallet = /[\s"'=][48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}[\s"'.]/
        $option1 = "donate-level"
        $option2 = "cpu-priority"
        $option3 = "randomx"
        $option4 = "xmrig" nocase
    condition:
        $pool and ($wallet or 3 of ($option*))
}

rule Linux_Reverse_Shell
{
    meta:
        description = "A one-liner that hands a shell to a remote host"
    strings:
        $bash = /(ba|z|k|a|da)?sh[ \t]+-i[ \t]*([0-9]?>&|&>|>)[ \t]*\/dev\/(tcp|udp)\/[^\s\/]{1,100}\/[0-9]{1,5}/
        $exec = /exec[ \t]+[0-9]{1,3}<>[ \t]*\/dev\/(tcp|udp)\/[^\s\/]{1,100}\/[0-9]{1,5}[^\n]{0,80}(sh|while read)/
        $netcat = /\b(nc|ncat|netcat)[ \t][^\n]{0,60}-(e|c)[ \t]+\/bin\/(ba)?sh/
        $fifo = /mkfifo[ \t]+[^\n]{1,100}\/bin\/(ba)?sh[ \t]+-i[^\n]{0,60}\|[ \t]*(nc|ncat|netcat|telnet|openssl)[ \t]/
    condition:
        any of them
}

rule Linux_Botnet_Mirai
{
    meta:
        description = "Strings of the Mirai family in an ELF program, packed or not"
    strings:
        $packed = "UPX!"
        $own1 = "/bin/busybox MIRAI"
        $own2 = "MIRAI: applet not found"
        $tunnel = "listening tun0"
        $watchdog = "/dev/misc/watchdog"
        $login = "/bin/busybox ps"
    condition:
        uint32(0) == 0x464C457F and
        (any of ($own*) or ($tunnel and $watchdog) or ($packed and $tunnel) or ($watchdog and $login))
}

rule Linux_Botnet_Dropper
{
    meta:
        description = "A script that drops a program into the first folder that can be written"
    strings:
        $folders = /cd[ \t]+\/tmp[ \t]*(\|\|[ \t]*cd[ \t]+\/[a-z\/]{0,20}[ \t]*){2,10};/
        $fetch = /(wget|curl|tftp|ftpget)[ \t]+[^\n;]{4,200};/
        $run = /chmod[ \t]+(\+x|[0-7]{3,4})[ \t]+[^\n;]{1,100};[ \t]*(\.\/|sh[ \t])/
    condition:
        $folders and $fetch and $run
}

rule Linux_Preload_Rootkit
{
    meta:
        description = "A script that loads a library into every process"
    strings:
        $script = "#!"
        $preload = /\.so[^\n]{0,40}>{1,2}[ \t]*\/etc\/ld\.so\.preload/
    condition:
        $script at 0 and $preload
}
